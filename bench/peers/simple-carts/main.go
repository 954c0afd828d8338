// simple-carts is what people write when they need a cart and no history: commands of the same API as the command
// service, kept in one PostgreSQL row per cart or in one Redis hash per cart. What cartledger is compared with.
//
//	simple-carts PORT postgres://…
//	simple-carts PORT redis://…
//
// It keeps the current cart only: no events, no log, nothing for other teams to read, no idempotency keys, and no view
// that somebody else could serve.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

// Connections to the store. PostgreSQL commits those that come together with one sync, Redis those of one turn of its
// loop: enough of them must be under way.
const connections = 64

const bodyMax = 64 << 10

type line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int    `json:"quantity"`
	UnitPrice struct {
		AmountMinor int64  `json:"amountMinor"`
		Currency    string `json:"currency"`
	} `json:"unitPrice"`
}

var errRefused = errors.New("no such open cart, or no such line")

// A store answers the cart's new version once the change is on disk.
type store interface {
	create(ctx context.Context, cart, currency string) (int, error)
	add(ctx context.Context, cart string, added line) (int, error)
	setQuantity(ctx context.Context, cart, sku string, quantity int) (int, error)
	remove(ctx context.Context, cart, sku string) (int, error)
	checkOut(ctx context.Context, cart string) (int, error)
}

func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, bodyMax))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func answer(w http.ResponseWriter, cart string, version int, err error) {
	switch {
	case errors.Is(err, errRefused):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"cartId":%q,"version":%d}`, cart, version)
	}
}

func routes(carts store) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, body func() any, do func(r *http.Request, cart string, body any) (int, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var into any
			if body != nil {
				into = body()
				if err := read(r, into); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
			}
			cart := r.PathValue("cart")
			version, err := do(r, cart, into)
			answer(w, cart, version, err)
		})
	}
	type created struct{ Currency string }
	type changed struct{ Quantity int }
	type checkedOut struct{}
	handle("PUT /v1/carts/{cart}", func() any { return new(created) },
		func(r *http.Request, cart string, body any) (int, error) {
			return carts.create(r.Context(), cart, body.(*created).Currency)
		})
	handle("POST /v1/carts/{cart}/items", func() any { return new(line) },
		func(r *http.Request, cart string, body any) (int, error) {
			return carts.add(r.Context(), cart, *body.(*line))
		})
	handle("PATCH /v1/carts/{cart}/items/{sku}", func() any { return new(changed) },
		func(r *http.Request, cart string, body any) (int, error) {
			return carts.setQuantity(r.Context(), cart, r.PathValue("sku"), body.(*changed).Quantity)
		})
	handle("DELETE /v1/carts/{cart}/items/{sku}", nil,
		func(r *http.Request, cart string, _ any) (int, error) {
			return carts.remove(r.Context(), cart, r.PathValue("sku"))
		})
	handle("POST /v1/carts/{cart}/checkout", func() any { return new(checkedOut) },
		func(r *http.Request, cart string, _ any) (int, error) { return carts.checkOut(r.Context(), cart) })
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("simple-carts PORT URL")
	}
	open := openPostgres
	if strings.HasPrefix(os.Args[2], "redis:") {
		open = openRedis
	}
	carts, err := open(context.Background(), os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], routes(carts)))
}
