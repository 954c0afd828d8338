/*
 * openapi_document.h - the OpenAPI document of a service, made from contracts/ when it is built
 * (tools/openapi_bundle.py) and linked into it.
 */
#pragma once

#include "str.h"

struct openapi_document {
    struct str json;  /* static */
    const char *etag; /* its hash as an entity tag, quotes included */
};

extern const struct openapi_document OPENAPI_DOCUMENT; /* of the program's own service */
