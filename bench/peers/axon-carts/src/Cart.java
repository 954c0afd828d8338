package carts;

import static org.axonframework.modelling.command.AggregateLifecycle.apply;
import static org.axonframework.modelling.command.AggregateLifecycle.getVersion;

import java.util.HashSet;
import java.util.Set;
import org.axonframework.commandhandling.CommandHandler;
import org.axonframework.eventsourcing.EventSourcingHandler;
import org.axonframework.modelling.command.AggregateCreationPolicy;
import org.axonframework.modelling.command.AggregateIdentifier;
import org.axonframework.modelling.command.CreationPolicy;

/** The rules: what is asked becomes events, events become what is known. A command answers the cart's new version. */
public class Cart {
    /** Checked: Axon neither rolls such a command back nor tries it again. */
    public static class Refused extends Exception {
        Refused() {
            super("no such open cart, or no such line", null, false, false);
        }
    }

    @AggregateIdentifier
    private String id;
    private String currency;
    private boolean open;
    private Set<String> skus;

    @CommandHandler
    @CreationPolicy(AggregateCreationPolicy.ALWAYS)
    public long handle(Command.Create command) {
        return happened(new Event.CartCreated(command.cart(), command.currency()));
    }

    @CommandHandler
    public long handle(Command.Add command) throws Refused {
        demand(open && currency.equals(command.unitPrice().currency()));
        return happened(
                new Event.ItemAdded(id, command.sku(), command.name(), command.quantity(), command.unitPrice()));
    }

    @CommandHandler
    public long handle(Command.SetQuantity command) throws Refused {
        demand(open && skus.contains(command.sku()));
        return happened(new Event.ItemQuantityChanged(id, command.sku(), command.quantity()));
    }

    @CommandHandler
    public long handle(Command.Remove command) throws Refused {
        demand(open && skus.contains(command.sku()));
        return happened(new Event.ItemRemoved(id, command.sku()));
    }

    @CommandHandler
    public long handle(Command.CheckOut command) throws Refused {
        demand(open && !skus.isEmpty());
        return happened(new Event.CartCheckedOut(id));
    }

    private static void demand(boolean holds) throws Refused {
        if (!holds) {
            throw new Refused();
        }
    }

    private static long happened(Object event) {
        apply(event);
        return getVersion() + 1;
    }

    @EventSourcingHandler
    void on(Event.CartCreated event) {
        id = event.cart();
        currency = event.currency();
        open = true;
        skus = new HashSet<>();
    }

    @EventSourcingHandler
    void on(Event.ItemAdded event) {
        skus.add(event.sku());
    }

    @EventSourcingHandler
    void on(Event.ItemRemoved event) {
        skus.remove(event.sku());
    }

    @EventSourcingHandler
    void on(Event.CartCheckedOut event) {
        open = false;
    }
}
