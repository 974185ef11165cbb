/* SPDX-License-Identifier: MIT
 * html_style.c - the page's style sheet: light and dark by what the reader's system prefers, ink on white when printed.
 *
 * Curves have the colours of Okabe and Ito (2008), which people with colour vision deficiencies tell apart; on dark
 * ground they are lighter. Everything else is grey.
 */
#include "profiler/report/html_parts.h"

static const char *const style[] = {
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1a1c1f;--soft:#5b6067;--rule:#d9dce0;--faint:#f4f5f7;",
    "--grid:#e6e8eb;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0578d;--c4:#a87900;--c5:#2b8fc4;--c6:#6b4fa3;",
    "--c7:#555}@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e7e9ec;--soft:#9aa1a9;",
    "--rule:#363a40;--faint:#1d2024;--grid:#2a2e33;--c0:#5ab4e5;--c1:#f0894a;--c2:#3fc59f;--c3:#dd8fbd;",
    "--c4:#e3b341;--c5:#8fcdf0;--c6:#a78fe0;--c7:#aaa}}*{box-sizing:border-box}body{margin:0 auto;",
    "max-width:1040px;padding:28px 24px 48px;background:var(--paper);color:var(--ink);",
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,\"Liberation Sans\",sans-serif}",
    "h1{font-size:25px;line-height:1.25;margin:0 0 2px;font-weight:650}h2{font-size:18px;margin:40px 0 10px;",
    "font-weight:650}p{margin:6px 0;max-width:78ch}.soft,caption,figcaption{color:var(--soft)}.small{",
    "font-size:13px}figure{margin:18px 0 0}figcaption{font-size:13px;margin-top:6px;max-width:100ch}.wide{",
    "overflow-x:auto}.wide svg{display:block;width:100%;min-width:680px;height:auto}.cards{display:grid;",
    "grid-template-columns:repeat(auto-fit,minmax(205px,1fr));gap:12px;margin:18px 0}.card{",
    "border:1px solid var(--rule);border-radius:6px;padding:10px 14px;break-inside:avoid}.card .name{",
    "color:var(--soft);font-size:13px}.card .big{font-size:21px;font-weight:600;line-height:1.35}.wider{",
    "grid-template-columns:repeat(auto-fit,minmax(300px,1fr))}.card h3{font-size:15px;margin:0 0 6px;",
    "font-weight:650}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}",
    "th{font-weight:600;color:var(--soft);text-align:right;vertical-align:bottom;",
    "border-bottom:1.5px solid var(--ink);line-height:1.3;white-space:nowrap}td{text-align:right;",
    "vertical-align:top;border-bottom:1px solid var(--rule);white-space:nowrap}th,td{padding:5px 7px}",
    "th:first-child,td:first-child{padding-left:2px}th.t,td.t{text-align:left}td.w,td.n{white-space:normal;",
    "min-width:17ch}tr.whole td{font-weight:600}td .soft{font-size:12.5px;font-weight:400}code{",
    "font:13px/1.4 ui-monospace,\"DejaVu Sans Mono\",monospace}.grade{display:inline-block;min-width:1.6em;",
    "text-align:center;border:1px solid currentColor;border-radius:4px;font-weight:650}.flag{",
    "font:12.5px/1.3 ui-monospace,\"DejaVu Sans Mono\",monospace;background:var(--faint);",
    "border:1px solid var(--rule);border-radius:3px;padding:0 4px;white-space:nowrap}dl{display:grid;",
    "grid-template-columns:max-content 1fr;gap:3px 14px;margin:6px 0;font-size:13.5px}dt{color:var(--soft)}dd{",
    "margin:0}.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:3px 10px;",
    "align-items:center;font-size:13px;font-variant-numeric:tabular-nums}.bar{height:11px;background:var(--c0);",
    "border-radius:2px;min-width:1px}.yes{color:var(--c2);font-weight:600}.no{color:var(--soft)}ul{margin:6px 0;",
    "padding-left:20px;max-width:82ch}li{margin:4px 0}",
    /* the picture */
    "svg text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,\"Liberation Sans\",sans-serif;",
    "fill:var(--ink)}svg .tick{fill:var(--soft);font-size:11.5px}svg .title{font-size:13px;font-weight:650}",
    "svg .label{font-size:11px}svg .note{font-size:11px;paint-order:stroke;stroke:var(--paper);stroke-width:3px;",
    "stroke-linejoin:round}svg line{stroke-width:1;shape-rendering:crispEdges}.grid{stroke:var(--grid)}.axis{",
    "stroke:var(--soft)}.head{fill:var(--paper)}.edge{stroke:var(--soft);stroke-opacity:.35}.band rect{",
    "fill-opacity:.07}.lane rect{fill-opacity:.26;stroke-opacity:.6;stroke-width:.7}.r0 rect{fill:var(--c0);",
    "stroke:var(--c0)}.r1 rect{fill:var(--c1);stroke:var(--c1)}.r2 rect{fill:var(--c2);stroke:var(--c2)}.r3 rect{",
    "fill:var(--c3);stroke:var(--c3)}.r4 rect{fill:var(--c4);stroke:var(--c4)}.r5 rect{fill:var(--c6);",
    "stroke:var(--c6)}.idle rect{fill:var(--soft);stroke:var(--soft);fill-opacity:.08}.lane.idle rect{",
    "fill-opacity:.13}.band rect{stroke:none}.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{",
    "--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}.c6{--c:var(--c6)}.c7{--c:var(--c7)}.curve{fill:none;",
    "stroke:var(--c);stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}.est{stroke-dasharray:5 3}.area{",
    "fill:var(--c);fill-opacity:.2;stroke:none}svg .base{stroke:var(--c);stroke-dasharray:4 3}svg .key{",
    "stroke:var(--c);stroke-width:2.4}@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;",
    "--faint:#f2f2f2;--grid:#ddd;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0578d;--c4:#a87900;--c5:#2b8fc4;",
    "--c6:#6b4fa3;--c7:#555}body{padding:0;max-width:none;font-size:10pt}table{font-size:8.5pt}th,td{",
    "padding:3px 5px}h2{break-after:avoid}figure,tr{break-inside:avoid}.wide{overflow:visible}.wide svg{",
    "min-width:0}td .soft{font-size:7.5pt}.cards{grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:8px}",
    ".wider{grid-template-columns:repeat(auto-fit,minmax(220px,1fr))}",
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}",
};

void eprof__html_style(eprof__out *o)
{
    eprof__out_text(o, "<style>\n");
    for (unsigned i = 0; i < sizeof style / sizeof style[0]; i++) {
        eprof__out_text(o, style[i]);
        eprof__out_text(o, "\n");
    }
    eprof__out_text(o, "</style>\n");
}
