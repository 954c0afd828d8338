// Hands each checked-out cart over to an order system: once in effect, whatever crashes or comes twice.
//
// Needs KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC (`. .dev/env`), and ORDERS_URL. Each CartCheckedOut is POSTed there with
// its event id as Idempotency-Key; only then is the partition's position written to positions.json. A crash in between
// repeats the POST, and the order system knows the key; a record that comes twice is known by its position and skipped.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type handover struct {
	orders, state string
	places        map[int32]place
	client        http.Client
}

// The offset only says where to read on; what has been dealt with the position says.
type place struct{ Position, NextOffset int64 }

func (h *handover) load() error {
	text, err := os.ReadFile(h.state)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, json.Unmarshal(text, &h.places))
}

// save replaces the file as a whole. An older one, after a power cut, only repeats what the order system knows.
func (h *handover) save() error {
	text, err := json.Marshal(h.places)
	if err = errors.Join(err, os.WriteFile(h.state+".new", text, 0o600)); err != nil {
		return err
	}
	return os.Rename(h.state+".new", h.state)
}

// deliver POSTs until the order system has it. A refusal other than "later" is for people to look at.
func (h *handover) deliver(ctx context.Context, eventID string, body []byte) error {
	for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.orders, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {eventID}}
		if response, err := h.client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode < 300 {
				return nil
			}
			if response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
				return fmt.Errorf("the order system refuses event %s: %s", eventID, response.Status)
			}
		}
		time.Sleep(wait)
	}
	return ctx.Err()
}

func (h *handover) handle(ctx context.Context, record *kgo.Record) error {
	headers := map[string]string{}
	for _, header := range record.Headers {
		headers[header.Key] = string(header.Value)
	}
	position, err := strconv.ParseInt(headers["ce_position"], 10, 64)
	last := h.places[record.Partition].Position
	if headers["ce_position"] == "" || (err == nil && position <= last) { // no event of a cart, or a duplicate
		return nil
	}
	if position != last+1 {
		h.places[record.Partition] = place{Position: last} // a topic made anew has other offsets: next time all is read
		return fmt.Errorf("partition %d: position %q follows %d: what is missing can be read from GET /v1/events "+
			"of the command service", record.Partition, headers["ce_position"], last)
	}
	if strings.HasPrefix(headers["ce_type"], "cartledger.cart.CartCheckedOut.") {
		order, err := json.Marshal(map[string]any{"cartId": headers["ce_subject"], "placedAt": headers["ce_time"],
			"cart": json.RawMessage(record.Value)})
		if err == nil {
			err = h.deliver(ctx, headers["ce_id"], order)
		}
		if err != nil {
			return err
		}
		log.Printf("handed over cart %s as order %s", headers["ce_subject"], headers["ce_id"])
	}
	h.places[record.Partition] = place{position, record.Offset + 1}
	return nil
}

// assign reads every partition on from its place.
func (h *handover) assign(ctx context.Context, client *kgo.Client, topic string) error {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	answer, err := request.RequestWith(ctx, client)
	if err != nil || len(answer.Topics[0].Partitions) == 0 {
		return errors.Join(err, fmt.Errorf("there is no topic %q", topic))
	}
	offsets := map[int32]kgo.Offset{}
	for _, partition := range answer.Topics[0].Partitions {
		offsets[partition.Partition] = kgo.NewOffset().At(h.places[partition.Partition].NextOffset)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
	return nil
}

func (h *handover) run(ctx context.Context) error {
	// Where the topic was made anew an offset says nothing: reading begins at the beginning.
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err := errors.Join(err, h.load()); err != nil {
		return err
	}
	defer client.Close()
	for err = h.assign(ctx, client, os.Getenv("KAFKA_TOPIC")); err == nil && ctx.Err() == nil; {
		fetches := client.PollRecords(ctx, 500)
		err = fetches.Err() // such as a topic that was made anew: this client never reads it, the next one does
		for records := fetches.Records(); err == nil && len(records) > 0; records = records[1:] {
			err = h.handle(ctx, records[0])
		}
		err = errors.Join(err, h.save())
	}
	return err
}

func main() {
	h := &handover{orders: os.Getenv("ORDERS_URL"), state: "positions.json", places: map[int32]place{},
		client: http.Client{Timeout: 10 * time.Second}}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := h.run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
