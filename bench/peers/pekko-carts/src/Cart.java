package carts;

import java.util.HashSet;
import java.util.Set;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.cluster.sharding.typed.javadsl.EntityTypeKey;
import org.apache.pekko.pattern.StatusReply;
import org.apache.pekko.persistence.typed.PersistenceId;
import org.apache.pekko.persistence.typed.javadsl.CommandHandlerWithReply;
import org.apache.pekko.persistence.typed.javadsl.EventHandler;
import org.apache.pekko.persistence.typed.javadsl.EventSourcedBehaviorWithEnforcedReplies;
import org.apache.pekko.persistence.typed.javadsl.ReplyEffect;
import org.apache.pekko.persistence.typed.javadsl.RetentionCriteria;

/** The rules: what is asked becomes events, events become what is known. */
class Cart extends EventSourcedBehaviorWithEnforcedReplies<Command, Event, Cart.State> {
    static final EntityTypeKey<Command> KEY = EntityTypeKey.create(Command.class, "Cart");
    private static final int EVENTS_PER_SNAPSHOT = 100, SNAPSHOTS_KEPT = 2;

    record State(long version, boolean open, String currency, Set<String> skus) implements Stored {
        State after(boolean isOpen, Set<String> now) {
            return new State(version + 1, isOpen, currency, now);
        }

        Set<String> with(String sku) {
            if (skus.contains(sku)) {
                return skus;
            }
            Set<String> now = new HashSet<>(skus);
            now.add(sku);
            return now;
        }

        Set<String> without(String sku) {
            Set<String> now = new HashSet<>(skus);
            now.remove(sku);
            return now;
        }
    }

    static Behavior<Command> of(String id) {
        return new Cart(PersistenceId.of(KEY.name(), id));
    }

    private Cart(PersistenceId id) {
        super(id);
    }

    @Override
    public State emptyState() {
        return new State(0, false, null, Set.of());
    }

    @Override
    public RetentionCriteria retentionCriteria() {
        return RetentionCriteria.snapshotEvery(EVENTS_PER_SNAPSHOT, SNAPSHOTS_KEPT);
    }

    @Override
    public CommandHandlerWithReply<Command, Event, State> commandHandler() {
        return newCommandHandlerWithReplyBuilder().forAnyState()
                .onCommand(Command.Create.class, (cart, command) -> decide(
                        cart.version() == 0, new Event.CartCreated(command.currency()), command))
                .onCommand(Command.Add.class, (cart, command) -> decide(
                        cart.open() && cart.currency().equals(command.unitPrice().currency()),
                        new Event.ItemAdded(command.sku(), command.name(), command.quantity(), command.unitPrice()),
                        command))
                .onCommand(Command.SetQuantity.class, (cart, command) -> decide(
                        cart.open() && cart.skus().contains(command.sku()),
                        new Event.ItemQuantityChanged(command.sku(), command.quantity()), command))
                .onCommand(Command.Remove.class, (cart, command) -> decide(
                        cart.open() && cart.skus().contains(command.sku()),
                        new Event.ItemRemoved(command.sku()), command))
                .onCommand(Command.CheckOut.class, (cart, command) -> decide(
                        cart.open() && !cart.skus().isEmpty(), new Event.CartCheckedOut(), command))
                .build();
    }

    private ReplyEffect<Event, State> decide(boolean holds, Event event, Command command) {
        return holds ? Effect().persist(event).thenReply(command.replyTo(), cart -> StatusReply.success(cart.version()))
                : Effect().reply(command.replyTo(), StatusReply.error("no such open cart, or no such line"));
    }

    @Override
    public EventHandler<State, Event> eventHandler() {
        return newEventHandlerBuilder().forAnyState()
                .onEvent(Event.CartCreated.class, (cart, event) -> new State(1, true, event.currency(), Set.of()))
                .onEvent(Event.ItemAdded.class, (cart, event) -> cart.after(true, cart.with(event.sku())))
                .onEvent(Event.ItemQuantityChanged.class, (cart, event) -> cart.after(true, cart.skus()))
                .onEvent(Event.ItemRemoved.class, (cart, event) -> cart.after(true, cart.without(event.sku())))
                .onEvent(Event.CartCheckedOut.class, (cart, event) -> cart.after(false, cart.skus()))
                .build();
    }
}
