#include "kafka_common.h"

#include "clock.h"
#include "log.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SYSLOG_WARNING = 4,
    SYSLOG_INFO = 6,
    LIBRARY_MESSAGE_MAX = 512,
};

/* A broker that is away is not our error: the code that needs it reports that, once. Neither is the
 * notice that a setting is experimental (enable.gapless.guarantee). */
static enum log_level our_level(int level, const char *facility)
{
    if (strcmp(facility, "CONFWARN") == 0 || level > SYSLOG_INFO)
        return LOG_DEBUG;
    return level <= SYSLOG_WARNING ? LOG_WARNING : LOG_INFO;
}

static void log_library_line(const rd_kafka_t *client, int level, const char *facility,
                             const char *message)
{
    log_write(our_level(level, facility), "kafka-client", message,
              LOG_STR("client", rd_kafka_name(client)), LOG_STR("facility", facility), LOG_END);
}

enum status kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                           struct error *error)
{
    char reason[LIBRARY_MESSAGE_MAX];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID, "Kafka setting %s: %s", name, reason);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_security_setting(const char *name)
{
    return strcmp(name, "security.protocol") == 0 || has_prefix(name, "sasl.") ||
           has_prefix(name, "ssl.") || has_prefix(name, "enable.sasl.") ||
           has_prefix(name, "enable.ssl.");
}

/* librdkafka's own message would repeat the value, which may be a password. So may its name: when a
 * password with a separator in it was cut. */
static enum status set_security(rd_kafka_conf_t *conf, struct str line, int number,
                                struct error *error)
{
    char setting[KAFKA_SETTING_MAX];
    if (line.length >= sizeof(setting))
        return error_set(error, STATUS_INVALID, "Kafka security setting %d is over %d bytes",
                         number, KAFKA_SETTING_MAX - 1);
    memcpy(setting, line.bytes, line.length);
    setting[line.length] = '\0';

    char *equals = strchr(setting, '=');
    if (equals == NULL)
        return error_set(error, STATUS_INVALID, "Kafka security setting %d is not NAME=VALUE",
                         number);
    *equals = '\0';
    if (!is_security_setting(setting))
        return error_set(error, STATUS_INVALID,
                         "Kafka security setting %d is none of security.protocol, sasl.*, ssl.*, "
                         "enable.sasl.*, enable.ssl.*",
                         number);
    enum status status = STATUS_OK;
    if (rd_kafka_conf_set(conf, setting, equals + 1, NULL, 0) != RD_KAFKA_CONF_OK)
        status =
            error_set(error, STATUS_INVALID, "Kafka setting %s: unknown, or such a value", setting);
    explicit_bzero(setting, sizeof(setting));
    return status;
}

static enum status set_all_security(rd_kafka_conf_t *conf, const char *text, struct error *error)
{
    if (text == NULL)
        return STATUS_OK;
    const char *separators = strchr(text, '\n') != NULL ? "\r\n" : ";";
    int number = 0;
    for (const char *at = text; *at != '\0';) {
        at += strspn(at, separators);
        at += strspn(at, " \t");
        size_t length = strcspn(at, separators);
        if (length > 0) {
            enum status status = set_security(conf, (struct str){at, length}, ++number, error);
            if (status != STATUS_OK)
                return status;
        }
        at += length;
    }
    return STATUS_OK;
}

static enum status set_common(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                              struct error *error)
{
    char reconnect_min[16];
    char reconnect_max[16];
    snprintf(reconnect_min, sizeof(reconnect_min), "%d", KAFKA_RECONNECT_MIN_MS);
    snprintf(reconnect_max, sizeof(reconnect_max), "%d", KAFKA_RECONNECT_MAX_MS);
    const char *const pairs[][2] = {
        {"bootstrap.servers", settings->bootstrap_servers},
        {"client.id", settings->client_id},
        {"reconnect.backoff.ms", reconnect_min},
        {"reconnect.backoff.max.ms", reconnect_max},
        {"statistics.interval.ms", "0"},
        {"log.connection.close", "false"},
        {"allow.auto.create.topics", "false"},
        {"socket.nagle.disable", "true"},
        {"socket.keepalive.enable", "true"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        enum status status = kafka_conf_set(conf, pairs[i][0], pairs[i][1], error);
        if (status != STATUS_OK)
            return status;
    }
    rd_kafka_conf_set_log_cb(conf, log_library_line);
    return set_all_security(conf, settings->security, error);
}

enum status kafka_conf_new(const struct kafka_settings *settings, rd_kafka_conf_t **ret_conf,
                           struct error *error)
{
    if (settings->bootstrap_servers == NULL || settings->bootstrap_servers[0] == '\0')
        return error_set(error, STATUS_INVALID, "no Kafka bootstrap servers are given");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum status status = set_common(conf, settings, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    *ret_conf = conf;
    return STATUS_OK;
}

static void ignore_library_line(const rd_kafka_t *client, int level, const char *facility,
                                const char *message)
{
    (void)client, (void)level, (void)facility, (void)message;
}

enum status kafka_security_check(const char *security, struct error *error)
{
    if (*security == '\0')
        return STATUS_OK;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, ignore_library_line);
    struct error why;
    enum status status = set_all_security(conf, security, &why);
    if (status == STATUS_OK) {
        rd_kafka_t *client =
            rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.message, sizeof(why.message));
        if (client != NULL) {
            rd_kafka_destroy(client);
            return STATUS_OK;
        }
    }
    rd_kafka_conf_destroy(conf);
    return error_set(error, STATUS_INVALID, "cannot be used: %s", why.message);
}

enum status kafka_status(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return STATUS_NOT_FOUND;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return STATUS_INVALID;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE:
        return STATUS_INTERNAL;
    default:
        return STATUS_UNAVAILABLE;
    }
}

bool kafka_is_refusal_of_group(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT ||
           code == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL ||
           code == RD_KAFKA_RESP_ERR_INVALID_GROUP_ID ||
           code == RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED;
}

enum status kafka_error_set(struct error *error, rd_kafka_resp_err_t code, const char *action)
{
    return error_set(error, kafka_status(code), "%s: %s", action, rd_kafka_err2str(code));
}

enum status kafka_partition_count(rd_kafka_t *client, rd_kafka_topic_t *topic, const char *name,
                                  int wait_ms, int *ret_count, struct error *error)
{
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, topic, &metadata, wait_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                        : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        *ret_count = metadata->topics[0].partition_cnt;
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_OK;
    return error_set(error, kafka_status(code), "topic %s: %s", name, rd_kafka_err2str(code));
}

int kafka_wait_ms(int64_t deadline_us)
{
    int64_t left_us = deadline_us - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    int64_t left_ms = (left_us + MICROSECONDS_PER_MILLISECOND - 1) / MICROSECONDS_PER_MILLISECOND;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void *destroy_client(void *argument)
{
    rd_kafka_t *client = argument;
    if (rd_kafka_type(client) == RD_KAFKA_PRODUCER)
        rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                   RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

bool kafka_discard(rd_kafka_t *client, int64_t deadline_us)
{
    if (client == NULL)
        return true;
    pthread_t thread;
    if (pthread_create(&thread, NULL, destroy_client, client) != 0) {
        destroy_client(client);
        return true;
    }
    const struct timespec until = clock_timespec(deadline_us);
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return true;
    pthread_detach(thread);
    return false;
}
