/* SPDX-License-Identifier: MIT
 * svg.c - writes elements; coordinates to a tenth of a pixel. The benches never call setlocale, so that %f has a point.
 */
#include "bench/svg.h"

#include <math.h>
#include <stdbool.h>

#define FONTS "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
#define CHAR_PX 0.6 /* a character of DejaVu Sans, the widest of these, in sizes of the font */

static void escape(FILE *f, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '&') fputs("&amp;", f);
        else if (c == '<') fputs("&lt;", f);
        else if (c == '>') fputs("&gt;", f);
        else if (c == '"') fputs("&quot;", f);
        else fputc(c < ' ' ? ' ' : c, f); /* no control character may stand in XML */
    }
}

void svg_open(FILE *f, int width, int height, const char *title)
{
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
               "role=\"img\" font-family=\"" FONTS "\">\n<title>", width, height, width, height);
    escape(f, title);
    fprintf(f, "</title>\n");
    svg_rect(f, "#ffffff", 1, 0, 0, width, height);
}

void svg_close(FILE *f) { fputs("</svg>\n", f); }

static void stroke(FILE *f, svg_pen pen)
{
    fprintf(f, " stroke=\"%s\" stroke-width=\"%.1f\"", pen.colour, pen.width);
    if (pen.dash) fprintf(f, " stroke-dasharray=\"%s\"", pen.dash);
}

void svg_line(FILE *f, svg_pen pen, double x0, double y0, double x1, double y1)
{
    fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"", x0, y0, x1, y1);
    stroke(f, pen);
    fputs("/>\n", f);
}

void svg_rect(FILE *f, const char *colour, double opacity, double x, double y, double width, double height)
{
    fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"", x, y, width, height, colour);
    if (opacity < 1) fprintf(f, " fill-opacity=\"%.2f\"", opacity);
    fputs("/>\n", f);
}

static void text_at(FILE *f, svg_font font, double x, double y, bool upwards, const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" fill=\"%s\" text-anchor=\"%s\"", x, y, font.size,
            font.colour, font.anchor);
    if (font.bold) fputs(" font-weight=\"600\"", f);
    if (upwards) fprintf(f, " transform=\"rotate(-90 %.1f %.1f)\"", x, y);
    fputc('>', f);
    escape(f, text);
    fputs("</text>\n", f);
}

void svg_text(FILE *f, svg_font font, double x, double y, const char *text) { text_at(f, font, x, y, false, text); }

void svg_text_upwards(FILE *f, svg_font font, double x, double y, const char *text)
{
    text_at(f, font, x, y, true, text);
}

void svg_path(FILE *f, svg_pen pen, const double *x, const double *y, int n)
{
    bool down = false;
    fputs("<path fill=\"none\" stroke-linejoin=\"round\"", f);
    stroke(f, pen);
    fputs(" d=\"", f);
    for (int i = 0; i < n; i++) {
        const bool there = isfinite(x[i]) && isfinite(y[i]);
        if (there) fprintf(f, "%s%.1f %.1f", down ? "L" : "M", x[i], y[i]);
        down = there;
    }
    fputs("\"/>\n", f);
}

void svg_marker(FILE *f, const char *colour, int shape, double x, double y, double radius)
{
    const double r = radius;
    fprintf(f, shape % 6 == 4 ? "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"" :
               shape % 6 == 5 ? "<path fill=\"#ffffff\" stroke=\"%s\" stroke-width=\"1.5\" d=\"" :
               "<path stroke=\"#ffffff\" stroke-width=\"0.8\" fill=\"%s\" d=\"", colour);
    switch (shape % 6) {
    case 1: fprintf(f, "M%.1f %.1fh%.1fv%.1fh%.1fZ", x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, -1.8 * r); break;
    case 2: fprintf(f, "M%.1f %.1fL%.1f %.1fL%.1f %.1fZ", x, y - 1.2 * r, x + 1.1 * r, y + 0.8 * r, x - 1.1 * r,
                    y + 0.8 * r); break;
    case 3: fprintf(f, "M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ", x, y - 1.3 * r, x + 1.3 * r, y, x, y + 1.3 * r,
                    x - 1.3 * r, y); break;
    case 4: fprintf(f, "M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f", x - r, y - r, x + r, y + r, x + r, y - r, x - r,
                    y + r); break;
    default: fprintf(f, "M%.1f %.1fa%.1f %.1f 0 1 1 %.1f 0a%.1f %.1f 0 1 1 %.1f 0Z", x - r, y, r, r, 2 * r, r, r,
                     -2 * r);
    }
    fputs("\"/>\n", f);
}

double svg_text_px(const char *text, double size)
{
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n * size * CHAR_PX;
}
