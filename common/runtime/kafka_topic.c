#include "kafka_topic.h"

#include "clock.h"

enum { ASK_TIMEOUT_MS = 1000 };

#if RD_KAFKA_VERSION >= 0x02030000

static void send_question(struct kafka_topic_watch *watch, rd_kafka_t *client, const char *topic)
{
    if (watch->answers == NULL)
        watch->answers = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_TIMEOUT_MS, NULL, 0);
    rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
    rd_kafka_DescribeTopics(client, topics, options, watch->answers);
    rd_kafka_TopicCollection_destroy(topics);
    rd_kafka_AdminOptions_destroy(options);
    watch->is_asked = true;
}

/* False: there is no such topic. */
static bool read_id(rd_kafka_event_t *event, int64_t *ret_id)
{
    const rd_kafka_DescribeTopics_result_t *result = rd_kafka_event_DescribeTopics_result(event);
    size_t count;
    const rd_kafka_TopicDescription_t **topics =
        rd_kafka_DescribeTopics_result_topics(result, &count);
    if (count != 1 || rd_kafka_error_code(rd_kafka_TopicDescription_error(topics[0])) !=
                          RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    const rd_kafka_Uuid_t *id = rd_kafka_TopicDescription_topic_id(topics[0]);
    ret_id[0] = rd_kafka_Uuid_most_significant_bits(id);
    ret_id[1] = rd_kafka_Uuid_least_significant_bits(id);
    return ret_id[0] != 0 || ret_id[1] != 0;
}

static enum kafka_topic_news compare(struct kafka_topic_watch *watch, rd_kafka_event_t *event)
{
    int64_t id[2];
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return KAFKA_TOPIC_NO_ANSWER;
    if (!read_id(event, id))
        return KAFKA_TOPIC_NO_NEWS;
    if (watch->id[0] == 0 && watch->id[1] == 0)
        memcpy(watch->id, id, sizeof(id));
    return watch->id[0] == id[0] && watch->id[1] == id[1] ? KAFKA_TOPIC_NO_NEWS
                                                          : KAFKA_TOPIC_IS_ANOTHER;
}

enum kafka_topic_news kafka_topic_ask(struct kafka_topic_watch *watch, rd_kafka_t *client,
                                      const char *topic, int every_ms, int wait_ms)
{
    int64_t now_us = clock_monotonic_us();
    if (!watch->is_asked) {
        if (now_us < watch->ask_at_us)
            return KAFKA_TOPIC_NO_NEWS;
        send_question(watch, client, topic);
        watch->ask_at_us = now_us + (int64_t)every_ms * MICROSECONDS_PER_MILLISECOND;
    }
    rd_kafka_event_t *event = rd_kafka_queue_poll(watch->answers, wait_ms);
    if (event == NULL)
        return KAFKA_TOPIC_NO_NEWS;
    enum kafka_topic_news news = compare(watch, event);
    rd_kafka_event_destroy(event);
    watch->is_asked = false;
    return news;
}

#else

enum kafka_topic_news kafka_topic_ask(struct kafka_topic_watch *watch, rd_kafka_t *client,
                                      const char *topic, int every_ms, int wait_ms)
{
    (void)watch, (void)client, (void)topic, (void)every_ms, (void)wait_ms;
    return KAFKA_TOPIC_NO_NEWS;
}

#endif

void kafka_topic_watch_done(struct kafka_topic_watch *watch)
{
    if (watch->answers != NULL)
        rd_kafka_queue_destroy(watch->answers);
    *watch = (struct kafka_topic_watch){0};
}
