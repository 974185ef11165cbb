/* SPDX-License-Identifier: MIT
 * state_api.c - saving and loading sessions: the caller is checked, the session entered, and the model told by its
 * hash. That is computed each time: it is little beside the disk, and the model stays what nobody changes.
 */
#include "engine/api/api_internal.h"
#include "engine/decode/state_file.h"
#include "engine/gguf/gguf_hash.h"

static einf_status check_path(const char *path, einf_error *err)
{
    EINF__NEED(path, err);
    return path[0] ? EINF_OK : einf__fail_arg(err, "path", "path is empty");
}

einf_status einf_session_save(einf_session *s, const char *path, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(check_path(path, err));
    EINF_TRY(einf__session_enter(s, err));
    const einf_status status = einf__state_save(&s->timeline, einf__gguf_hash(&s->model->gguf), path, err);
    einf__session_leave(s);
    return status;
}

einf_status einf_session_load(einf_session *s, const char *path, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(check_path(path, err));
    EINF_TRY(einf__session_enter(s, err));
    const einf_status status = einf__state_load(&s->timeline, einf__gguf_hash(&s->model->gguf), path, err);
    einf__session_leave(s);
    return status;
}
