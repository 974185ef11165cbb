/* SPDX-License-Identifier: MIT
 * look.c - a program that looks: a model, its eyes, a picture and a question in, the answer out.
 *     cc look.c $(pkg-config --cflags --libs edgeinfer)
 */
#include <edgeinfer/vision.h>
#include <stdio.h>
#include <string.h>

static int32_t print(void *file, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    (void)token_id;
    return fwrite(utf8, 1, n_bytes, file) != n_bytes;
}

int main(int argc, char **argv)
{
    if (argc < 5) return 2;
    einf_error e = EINF_INIT(einf_error);
    einf_runtime *rt = NULL;
    einf_model *model = NULL;
    einf_vision *vision = NULL;
    einf_image *image = NULL;
    einf_session *session = NULL;
    einf_generate_config config = EINF_INIT(einf_generate_config);
    einf_status status = einf_runtime_create(NULL, &rt, &e);
    if (status == EINF_OK) status = einf_model_open(rt, argv[1], NULL, &model, &e);
    if (status == EINF_OK) status = einf_vision_open(rt, argv[2], NULL, &vision, &e);
    if (status == EINF_OK) status = einf_image_open(rt, argv[3], NULL, &image, &e);
    if (status == EINF_OK) status = einf_session_create(model, NULL, &session, &e);
    config.on_text = print;
    config.on_text_user = stdout;
    config.vision = vision;
    config.images = (const einf_image *const *)&image;
    config.n_images = 1;
    if (status == EINF_OK) status = einf_generate(session, argv[4], strlen(argv[4]), &config, NULL, &e);
    if (status != EINF_OK) fprintf(stderr, "%s: %s\n%s\n", einf_status_text(status), e.message, e.hint);
    einf_session_destroy(&session, NULL);
    einf_image_close(&image);
    einf_vision_close(&vision, NULL);
    einf_model_close(&model, NULL);
    einf_runtime_destroy(&rt, NULL);
    return status == EINF_OK ? 0 : 1;
}
