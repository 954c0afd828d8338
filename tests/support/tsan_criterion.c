/*
 * tsan_criterion.c - runs a program's tests without Criterion's way of starting processes, which
 * ThreadSanitizer does not survive: linked before libcriterion into its builds only.
 *
 *     PROGRAM [--tap] [-jN]
 *
 * Each test has a child of fork(), N of them at once. What ThreadSanitizer has found there makes it
 * end with a status of its own, and so fail. Knows what the unit tests use: Test, TestSuite, init,
 * fini, timeout.
 */
#include <assert.h>
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TESTS_MAX = 256, TIMEOUT_S = 120 };

/* The linker's, of the sections that Criterion's macros fill. */
extern struct criterion_test *__start_cr_tst[];
extern struct criterion_test *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

static const struct criterion_test *current;
static const struct criterion_test_extra_data *current_suite;
static atomic_bool has_failed;

void criterion_internal_test_setup(void)
{
    if (current_suite != NULL && current_suite->init != NULL)
        current_suite->init();
    if (current->data->init != NULL)
        current->data->init();
}

void criterion_internal_test_main(void (*test)(void))
{
    test();
}

void criterion_internal_test_teardown(void)
{
    if (current->data->fini != NULL)
        current->data->fini();
    if (current_suite != NULL && current_suite->fini != NULL)
        current_suite->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (stats->passed)
        return;
    has_failed = true;
    fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void)
{
    exit(EXIT_FAILURE);
}

void criterion_continue_test(void)
{
}

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
    for (struct criterion_suite **suite = __start_cr_sts; suite < __stop_cr_sts; suite++)
        if (*suite != NULL && strcmp((*suite)->name, test->category) == 0)
            return (*suite)->data;
    return NULL;
}

static void run(const struct criterion_test *test)
{
    current = test;
    current_suite = suite_of(test);
    double seconds = test->data->timeout;
    if (seconds == 0 && current_suite != NULL)
        seconds = current_suite->timeout;
    alarm(seconds > 0 ? 3 * (unsigned)seconds : TIMEOUT_S);
    test->test();
    exit(has_failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

static pid_t children[TESTS_MAX]; /* of each test; 0: it has ended */

static void begin(ptrdiff_t test)
{
    fflush(stdout);
    children[test] = fork();
    assert(children[test] >= 0);
    if (children[test] == 0)
        run(__start_cr_tst[test]);
}

/* Waits until any of those that were begun ends; says how, as the so many-th. */
static bool end(ptrdiff_t begun, ptrdiff_t number)
{
    int status = 0;
    pid_t child = wait(&status);
    ptrdiff_t test = 0;
    while (test < begun && children[test] != child)
        test++;
    assert(test < begun);
    children[test] = 0;
    printf("%sok %td - %s::%s\n", status == 0 ? "" : "not ", number, __start_cr_tst[test]->category,
           __start_cr_tst[test]->name);
    if (status != 0)
        printf("# it ended with %#x\n", (unsigned)status);
    return status == 0;
}

int main(int argc, char **argv)
{
    ptrdiff_t count = __stop_cr_tst - __start_cr_tst;
    ptrdiff_t at_once = 1;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-j", 2) == 0)
            at_once = strtol(argv[i] + 2, NULL, 10);
    assert(at_once > 0 && count <= TESTS_MAX);
    printf("1..%td\n", count);
    bool is_good = true;
    ptrdiff_t begun = 0;
    for (ptrdiff_t ended = 0; ended < count; ended++) {
        while (begun < count && begun - ended < at_once)
            begin(begun++);
        is_good = end(begun, ended + 1) && is_good;
    }
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
