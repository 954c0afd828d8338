/* Given settings as they may be configured, then librdkafka takes them, or the complaint keeps the
 * secrets. */
#include "kafka_common.h"

#include <criterion/criterion.h>
#include <limits.h>

#define SECRET "hunter2"

static enum status check(const char *security, struct error *error)
{
    return kafka_security_check(security, error);
}

Test(kafka_common, given_security_settings_then_librdkafka_has_them)
{
    static const char *const texts[] = {
        "security.protocol=sasl_ssl;sasl.mechanisms=PLAIN; sasl.username=me;;sasl.password=" SECRET,
        "security.protocol=sasl_ssl\r\nsasl.mechanisms=PLAIN\n\n\tsasl.username=me\nsasl."
        "password=" SECRET "\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const struct kafka_settings settings = {"localhost:9092", "test", texts[i]};
        rd_kafka_conf_t *conf;
        struct error error;
        char value[32];
        size_t size = sizeof(value);
        cr_assert_eq(kafka_conf_new(&settings, &conf, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(rd_kafka_conf_get(conf, "sasl.username", value, &size), RD_KAFKA_CONF_OK);
        cr_assert_str_eq(value, "me");
        size = sizeof(value);
        cr_assert_eq(rd_kafka_conf_get(conf, "sasl.password", value, &size), RD_KAFKA_CONF_OK);
        cr_assert_str_eq(value, SECRET);
        rd_kafka_conf_destroy(conf);
    }
    cr_assert_eq(check("", NULL), STATUS_OK);
    cr_assert_eq(
        check(
            "enable.ssl.certificate.verification=false;ssl.endpoint.identification.algorithm=none",
            NULL),
        STATUS_OK);
}

Test(kafka_common, given_a_setting_that_is_none_then_invalid_and_no_value_is_told)
{
    static const char *const texts[] = {
        SECRET,
        "sasl.password",
        "bootstrap.servers=" SECRET,
        "security.protocol=" SECRET,
        "sasl.pass=" SECRET,
        "enable.sasl.oauthbearer.unsecure.jwt=" SECRET,
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct error error = {0};
        cr_expect_eq(check(texts[i], &error), STATUS_INVALID, "%s", texts[i]);
        cr_expect_null(strstr(error.message, SECRET), "%s", error.message);
    }
    static char text[KAFKA_SETTING_MAX + 1];
    memset(text, 'x', KAFKA_SETTING_MAX);
    memcpy(text, "ssl.key.pem=", strlen("ssl.key.pem="));
    cr_assert_eq(check(text, NULL), STATUS_INVALID);
}

Test(kafka_common, given_no_servers_or_an_unknown_setting_then_invalid)
{
    const struct kafka_settings nowhere[] = {{NULL, "test", NULL}, {"", "test", NULL}};
    struct error error;
    rd_kafka_conf_t *conf;
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++)
        cr_assert_eq(kafka_conf_new(&nowhere[i], &conf, &error), STATUS_INVALID);
    conf = rd_kafka_conf_new();
    cr_assert_eq(kafka_conf_set(conf, "linger.ms", "soon", &error), STATUS_INVALID);
    cr_assert_not_null(strstr(error.message, "linger.ms"));
    rd_kafka_conf_destroy(conf);
}

Test(kafka_common, given_a_failure_then_the_caller_knows_whether_to_retry)
{
    static const struct {
        rd_kafka_resp_err_t code;
        enum status expected;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, STATUS_OK},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, STATUS_NOT_FOUND},
        {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, STATUS_NOT_FOUND},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, STATUS_NOT_FOUND},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, STATUS_INVALID},
        {RD_KAFKA_RESP_ERR__FATAL, STATUS_INTERNAL},
        {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, STATUS_INTERNAL},
        {RD_KAFKA_RESP_ERR__TRANSPORT, STATUS_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, STATUS_UNAVAILABLE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error error = {0};
        cr_expect_eq(kafka_error_set(&error, cases[i].code, "to act"), cases[i].expected, "%s",
                     rd_kafka_err2name(cases[i].code));
        cr_expect_eq(strncmp(error.message, "to act: ", 8), 0);
    }
}

Test(kafka_common, given_a_deadline_then_the_milliseconds_to_it_fit)
{
    cr_assert_eq(kafka_wait_ms(0), 0);
    cr_assert_eq(kafka_wait_ms(INT64_MAX), INT_MAX);
}
