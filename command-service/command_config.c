#include "command_config.h"

#include "cart_limits.h"
#include "cart_partition.h"
#include "command_lanes.h"
#include "http_server.h"
#include "kafka_common.h"
#include "log.h"
#include "log_reader.h"
#include "macros.h"
#include "postgres.h"

#define CONFIG_STRUCT struct command_config

const struct config_setting COMMAND_SETTINGS[] = {
    CHECKED_SETTING("COMMAND_BIND", bind, "127.0.0.1", http_address_check, "address to listen on"),
    INT_SETTING("COMMAND_PORT", port, "8081", 0, 65535,
                "TCP port to listen on; 0 takes a free one"),
    SECRET_SETTING(
        "COMMAND_DATABASE_URL", database_url, NULL, postgres_url_check,
        "postgres:// URL of the event log, as the service's own role; a direct connection, no "
        "transaction-mode pooler"),
    INT_SETTING("PARTITIONS", partitions, "6", 1, 1024,
                "partitions of the log and of the topic; fixed when the log was initialised"),
    TEXT_SETTING("KAFKA_BOOTSTRAP_SERVERS", kafka_servers, NULL,
                 "host:port,host:port of the brokers"),
    TEXT_SETTING("KAFKA_TOPIC", kafka_topic, "cart-events", "topic that the relay publishes to"),
    SECRET_SETTING("KAFKA_SECURITY", kafka_security, "", kafka_security_check,
                   "librdkafka security properties, name=value;name=value"),
    BOOL_SETTING("RELAY_ENABLED", relay_enabled, "true",
                 "whether this instance may become the one that publishes"),
    INT_SETTING("LANES", lanes, "1", 1, 64,
                "writer lanes; a lane owns the partitions p with p % LANES == lane"),
    INT_SETTING("COMMAND_QUEUE_MAX", queue_max, "1024", 1, 1000000,
                "commands that may wait for a lane; more are refused as overloaded"),
    INT_SETTING("CART_CACHE_MIB", cache_mib, "64", 1, 1048576,
                "MiB of carts kept in memory, per lane"),
    INT_SETTING("LOG_READERS", log_readers, "2", 1, 64,
                "database connections that serve GET /v1/events"),
    INT_SETTING("LOG_QUEUE_MAX", log_queue_max, "256", 1, 100000,
                "requests for the log that may wait; more are refused as overloaded"),
    INT_SETTING("CART_LINES_MAX", cart_lines_max, "500", 1, 500, "lines that a cart may have"),
    INT_SETTING("LINE_QUANTITY_MAX", line_quantity_max, "999", 1, 999,
                "pieces that a line may have"),
    INT_SETTING("CART_GUEST_LIFETIME_S", guest_lifetime_s, "2592000", 0, 1000000000,
                "seconds after which a guest's open cart that nobody touches expires; 0 is never"),
    INT_SETTING(
        "CART_CUSTOMER_LIFETIME_S", customer_lifetime_s, "7776000", 0, 1000000000,
        "seconds after which a customer's open cart that nobody touches expires; 0 is never"),
    INT_SETTING("HTTP_BODY_MAX", body_max, "65536", 1024, 16777216,
                "bytes that a request body may have"),
    HTTP_SETTINGS,
    CHECKED_SETTING("LOG_LEVEL", log_level, "info", log_level_check,
                    "debug, info, warning or error"),
};
const size_t COMMAND_SETTING_COUNT = ARRAY_SIZE(COMMAND_SETTINGS);
_Static_assert(PARTITION_COUNT_MAX == 1024, "the bound of PARTITIONS");
_Static_assert(COMMAND_LANES_MAX == 64, "the bound of LANES");
_Static_assert(LOG_READER_THREADS_MAX == 64, "the bound of LOG_READERS");
_Static_assert(CART_LINES_MAX == 500, "the bound of CART_LINES_MAX, the setting");
