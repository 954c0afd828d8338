package carts;

import org.axonframework.config.ProcessingGroup;
import org.axonframework.eventhandling.EventHandler;
import org.axonframework.eventhandling.SequenceNumber;
import org.springframework.jdbc.core.JdbcTemplate;

/** One row per cart, its lines as jsonb; each event is one statement, in the transaction of the event processor. */
@ProcessingGroup(CartViews.GROUP)
public class CartViews {
    static final String GROUP = "cart-views";

    // Room on each page, so that an update stays on its page (HOT).
    static final String SCHEMA = """
            CREATE TABLE IF NOT EXISTS axon_cart_views (
                id       uuid    PRIMARY KEY,
                version  bigint  NOT NULL,
                status   text    NOT NULL,
                currency text    NOT NULL,
                lines    jsonb   NOT NULL
            ) WITH (fillfactor = 50)""";

    private final JdbcTemplate database;

    CartViews(JdbcTemplate database) {
        this.database = database;
    }

    @EventHandler
    void on(Event.CartCreated event, @SequenceNumber long version) {
        database.update("INSERT INTO axon_cart_views VALUES (?::uuid, ?, 'open', ?, '{}')",
                event.cart(), version + 1, event.currency());
    }

    @EventHandler
    void on(Event.ItemAdded event, @SequenceNumber long version) {
        database.update("""
                UPDATE axon_cart_views SET version = ?, lines = lines || jsonb_build_object(?::text,
                    jsonb_build_object('name', ?::text, 'amountMinor', ?::bigint,
                                       'quantity', coalesce((lines -> ? ->> 'quantity')::int, 0) + ?::int))
                WHERE id = ?::uuid""",
                version + 1, event.sku(), event.name(), event.unitPrice().amountMinor(), event.sku(), event.quantity(),
                event.cart());
    }

    @EventHandler
    void on(Event.ItemQuantityChanged event, @SequenceNumber long version) {
        database.update("""
                UPDATE axon_cart_views SET version = ?,
                    lines = jsonb_set(lines, ARRAY[?::text, 'quantity'], to_jsonb(?::int))
                WHERE id = ?::uuid""",
                version + 1, event.sku(), event.quantity(), event.cart());
    }

    @EventHandler
    void on(Event.ItemRemoved event, @SequenceNumber long version) {
        database.update("UPDATE axon_cart_views SET version = ?, lines = lines - ?::text WHERE id = ?::uuid",
                version + 1, event.sku(), event.cart());
    }

    @EventHandler
    void on(Event.CartCheckedOut event, @SequenceNumber long version) {
        database.update("UPDATE axon_cart_views SET version = ?, status = 'checked_out' WHERE id = ?::uuid",
                version + 1, event.cart());
    }
}
