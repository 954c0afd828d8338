#include "query_config.h"

#include "cart_partition.h"
#include "http_server.h"
#include "kafka_common.h"
#include "log.h"
#include "log_client_http.h"
#include "macros.h"
#include "postgres.h"
#include "view_reader.h"

#define CONFIG_STRUCT struct query_config

const struct config_setting QUERY_SETTINGS[] = {
    CHECKED_SETTING("QUERY_BIND", bind, "127.0.0.1", http_address_check, "address to listen on"),
    INT_SETTING("QUERY_PORT", port, "8082", 0, 65535, "TCP port to listen on; 0 takes a free one"),
    SECRET_SETTING("QUERY_DATABASE_URL", database_url, NULL, postgres_url_check,
                   "postgres:// URL of the cart views, as the service's own role; a direct "
                   "connection, no transaction-mode pooler"),
    CHECKED_SETTING("COMMAND_URL", command_url, "http://127.0.0.1:8081", log_client_url_check,
                    "URL of the command service, where events that the topic lacks are read"),
    INT_SETTING("PARTITIONS", partitions, "6", 1, 1024,
                "partitions of the log and of the topic; fixed when the log was initialised"),
    TEXT_SETTING("KAFKA_BOOTSTRAP_SERVERS", kafka_servers, NULL,
                 "host:port,host:port of the brokers"),
    TEXT_SETTING("KAFKA_TOPIC", kafka_topic, "cart-events", "topic that the views are made from"),
    TEXT_SETTING("KAFKA_DEAD_LETTER_TOPIC", kafka_dead_letter_topic, "cart-events-dead",
                 "topic for records that could not be applied"),
    TEXT_SETTING("KAFKA_GROUP_ID", kafka_group, "cartledger-views",
                 "consumer group; instances with one database share one"),
    SECRET_SETTING("KAFKA_SECURITY", kafka_security, "", kafka_security_check,
                   "librdkafka security properties, name=value;name=value"),
    INT_SETTING("KAFKA_SESSION_TIMEOUT_MS", kafka_session_timeout_ms, "10000", 1000, 600000,
                "milliseconds of silence after which an instance loses its partitions"),
    INT_SETTING(
        "VIEW_CACHE_MIB", view_cache_mib, "12", 0, 1048576,
        "MiB of carts that the projection keeps in memory between batches, half of them with "
        "changes to be written"),
    INT_SETTING("HOT_VIEWS_MIB", hot_views_mib, "16", 0, 1048576,
                "MiB of views that were asked for in the last two seconds, kept in memory"),
    INT_SETTING("QUERY_READERS", readers, "2", 1, 64,
                "database connections that serve GETs; one more serves those that wait"),
    INT_SETTING("QUERY_QUEUE_MAX", queue_max, "4096", 1, 1000000,
                "GETs of a cart that may wait for a reader; more are refused as overloaded"),
    INT_SETTING(
        "QUERY_LIST_QUEUE_MAX", list_queue_max, "64", 1, 100000,
        "GETs of a list or a past that may wait for a reader; more are refused as overloaded"),
    INT_SETTING("QUERY_WAITERS_MAX", waiters_max, "1024", 1, 100000,
                "requests that may wait for a minVersion; more are refused as overloaded"),
    HTTP_SETTINGS,
    CHECKED_SETTING("LOG_LEVEL", log_level, "info", log_level_check,
                    "debug, info, warning or error"),
};
const size_t QUERY_SETTING_COUNT = ARRAY_SIZE(QUERY_SETTINGS);
_Static_assert(PARTITION_COUNT_MAX == 1024, "the bound of PARTITIONS");
_Static_assert(VIEW_READERS_MAX == 64, "the bound of QUERY_READERS");
