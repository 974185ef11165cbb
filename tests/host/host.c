/* SPDX-License-Identifier: MIT
 * host.c - the smallest whole program on libedgeinfer: a model and a question in, the answer out.
 *     cc host.c $(pkg-config --cflags --libs edgeinfer)
 */
#include <edgeinfer/edgeinfer.h>
#include <stdio.h>
#include <string.h>

static int32_t print(void *file, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    (void)token_id;
    return fwrite(utf8, 1, n_bytes, file) != n_bytes; /* a broken pipe stops the answer */
}

int main(int argc, char **argv)
{
    if (argc < 3 || einf_abi_version() != EINF_ABI_VERSION) return 2;
    einf_error e = EINF_INIT(einf_error);
    einf_runtime *rt = NULL;
    einf_model *model = NULL;
    einf_session *session = NULL;
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.on_text = print;
    config.on_text_user = stdout;
    einf_status status = einf_runtime_create(NULL, &rt, &e);
    if (status == EINF_OK) status = einf_model_open(rt, argv[1], NULL, &model, &e);
    if (status == EINF_OK) status = einf_session_create(model, NULL, &session, &e);
    if (status == EINF_OK) status = einf_generate(session, argv[2], strlen(argv[2]), &config, NULL, &e);
    if (status != EINF_OK) fprintf(stderr, "%s: %s\n%s\n", einf_status_text(status), e.message, e.hint);
    einf_session_destroy(&session, NULL);
    einf_model_close(&model, NULL);
    einf_runtime_destroy(&rt, NULL);
    return status == EINF_OK ? 0 : 1;
}
