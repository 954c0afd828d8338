/*
 * openapi_document.h - the OpenAPI document of a service. It is made from contracts/ at build time
 * (tools/openapi_bundle.py) and linked into the service.
 */
#pragma once

#include "str.h"

struct openapi_document {
    struct str json;  /* static */
    const char *etag; /* its hash as an entity tag, quotes included */
};

extern const struct openapi_document OPENAPI_DOCUMENT; /* of the program's own service */
