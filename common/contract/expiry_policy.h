/*
 * expiry_policy.h - why a cart expired.
 */
#pragma once

/* Whose lifetime was over. */
enum expiry_policy {
    EXPIRY_POLICY_UNKNOWN, /* of events of schema version 1 */
    EXPIRY_POLICY_GUEST,
    EXPIRY_POLICY_CUSTOMER,
    EXPIRY_POLICY_COUNT,
};

/* `actor` in the metadata of each CartExpired: nothing else expires carts. */
#define EXPIRY_ACTOR "expiry-sweep"

/* "guest"; a static string. */
const char *expiry_policy_name(enum expiry_policy policy);
