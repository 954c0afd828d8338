/* Input: a configuration file. It is refused with reasons, or every setting is within its limits.
 */
#include "config.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

struct settings {
    char *name;
    char *secret;
    int64_t port;
    bool on;
};

static enum status check(const char *value, struct error *error)
{
    if (strchr(value, '!') == NULL)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID, "has an exclamation mark");
}

static const struct config_setting SETTINGS[] = {
    {.name = "NAME",
     .kind = CONFIG_STRING,
     .offset = offsetof(struct settings, name),
     .default_value = "x",
     .check = check,
     .meaning = "a text"},
    {.name = "SECRET",
     .kind = CONFIG_SECRET,
     .offset = offsetof(struct settings, secret),
     .default_value = "",
     .meaning = "a secret"},
    {.name = "PORT",
     .kind = CONFIG_INT,
     .offset = offsetof(struct settings, port),
     .default_value = "80",
     .minimum = -5,
     .maximum = 65535,
     .meaning = "a number"},
    {.name = "ON",
     .kind = CONFIG_BOOL,
     .offset = offsetof(struct settings, on),
     .default_value = "no",
     .meaning = "yes or no"},
};

static int file_of(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("config", 0);
    REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO(text_done) struct text problems = TEXT_INIT(1 << 20);
    struct settings settings = {0};
    char path[64];
    int fd = file_of(bytes, size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    enum status status =
        config_load(SETTINGS, sizeof(SETTINGS) / sizeof(SETTINGS[0]), path, &settings, &problems);
    close(fd);
    struct str said = text_str(&problems);
    if (status != STATUS_OK) {
        REQUIRE(said.length > 0 && said.bytes[said.length - 1] == '\n');
        return 0;
    }
    REQUIRE(said.length == 0);
    REQUIRE(settings.name != NULL && strlen(settings.name) <= CONFIG_VALUE_MAX);
    REQUIRE(strchr(settings.name, '!') == NULL && settings.secret != NULL);
    REQUIRE(settings.port >= -5 && settings.port <= 65535);
    config_done(SETTINGS, sizeof(SETTINGS) / sizeof(SETTINGS[0]), &settings);
    return 0;
}
