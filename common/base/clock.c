#include "clock.h"

#include <assert.h>
#include <time.h>

enum { SECONDS_PER_DAY = 86400, DAYS_PER_ERA = 146097, YEARS_PER_ERA = 400 };

/* 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z */
static const int64_t first_second = INT64_C(-62135596800);
static const int64_t end_second = INT64_C(253402300800);

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    assert(failed == 0);
    (void)failed;
    return (int64_t)now.tv_sec * MICROSECONDS_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return now_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

struct date {
    int64_t year;
    int64_t month; /* 1 to 12 */
    int64_t day;   /* 1 to 31 */
};

/*
 * Both conversions count years from March, so that a leap day is the last day of its year, and in
 * eras of 400 years, after which the proleptic Gregorian calendar repeats. Day 0 is 1970-01-01,
 * which is day 719468 after 0000-03-01.
 */
static int64_t days_of(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = year / YEARS_PER_ERA; /* no year is negative here */
    int64_t year_of_era = year % YEARS_PER_ERA;
    int64_t month_from_march = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - 719468;
}

static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / DAYS_PER_ERA; /* day 0001-01-01 is still positive */
    int64_t day_of_era = shifted % DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    struct date date = {
        .year = era * YEARS_PER_ERA + year_of_era,
        .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
    if (date.month <= 2)
        date.year++;
    return date;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static char *put_digits(char *at, int64_t number, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return at + count;
}

void time_format(int64_t time_us, char ret_text[TIME_TEXT_LENGTH + 1])
{
    int64_t us = time_us % MICROSECONDS_PER_SECOND;
    int64_t seconds = time_us / MICROSECONDS_PER_SECOND;
    if (us < 0) {
        us += MICROSECONDS_PER_SECOND;
        seconds--;
    }
    assert(seconds >= first_second && seconds < end_second);
    int64_t second_of_day = seconds % SECONDS_PER_DAY;
    int64_t days = seconds / SECONDS_PER_DAY;
    if (second_of_day < 0) {
        second_of_day += SECONDS_PER_DAY;
        days--;
    }
    struct date date = date_of(days);
    char *at = put_digits(ret_text, date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, us, 6);
    *at++ = 'Z';
    *at = '\0';
}

/* What is left to read. */
struct reader {
    const char *at;
    const char *end;
};

static bool read_char(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool read_digits(struct reader *reader, int count, int64_t most, int64_t *ret_number)
{
    if (reader->end - reader->at < count)
        return false;
    int64_t number = 0;
    for (int i = 0; i < count; i++) {
        char c = *reader->at++;
        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (c - '0');
    }
    if (number > most)
        return false;
    *ret_number = number;
    return true;
}

static bool read_fraction(struct reader *reader, int64_t *ret_us)
{
    *ret_us = 0;
    if (!read_char(reader, '.'))
        return true;
    int64_t us = 0;
    int64_t worth = MICROSECONDS_PER_SECOND;
    int count = 0;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (++count > 9)
            return false;
        worth /= 10;
        us += (*reader->at - '0') * worth;
    }
    *ret_us = us;
    return count > 0;
}

static bool read_offset(struct reader *reader, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (read_char(reader, 'Z') || read_char(reader, 'z'))
        return true;
    int64_t sign = 1;
    if (read_char(reader, '-'))
        sign = -1;
    else if (!read_char(reader, '+'))
        return false;
    int64_t hours, minutes;
    if (!read_digits(reader, 2, 23, &hours) || !read_char(reader, ':') ||
        !read_digits(reader, 2, 59, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool time_parse(struct str text, int64_t *ret_time_us)
{
    if (str_is_none(text))
        return false;
    struct reader reader = {text.bytes, text.bytes + text.length};
    struct date date;
    int64_t hour, minute, second, us, offset;
    if (!read_digits(&reader, 4, 9999, &date.year) || !read_char(&reader, '-') ||
        !read_digits(&reader, 2, 12, &date.month) || !read_char(&reader, '-') ||
        !read_digits(&reader, 2, 31, &date.day))
        return false;
    if (date.year == 0 || date.month == 0 || date.day == 0 ||
        date.day > days_in_month(date.year, date.month))
        return false;
    if (!read_char(&reader, 'T') && !read_char(&reader, 't'))
        return false;
    if (!read_digits(&reader, 2, 23, &hour) || !read_char(&reader, ':') ||
        !read_digits(&reader, 2, 59, &minute) || !read_char(&reader, ':') ||
        !read_digits(&reader, 2, 60, &second))
        return false;
    if (!read_fraction(&reader, &us) || !read_offset(&reader, &offset) || reader.at != reader.end)
        return false;
    int64_t seconds = days_of(date) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    /* A leap second is the last second of a UTC day. */
    if (second == 60 && seconds % SECONDS_PER_DAY != 0)
        return false;
    if (seconds < first_second || seconds >= end_second)
        return false;
    *ret_time_us = seconds * MICROSECONDS_PER_SECOND + us;
    return true;
}
