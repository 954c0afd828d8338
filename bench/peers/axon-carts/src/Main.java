package carts;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.RoutingHandler;
import io.undertow.server.handlers.BlockingHandler;
import io.undertow.util.Headers;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import org.axonframework.commandhandling.gateway.CommandGateway;
import org.axonframework.modelling.command.AggregateNotFoundException;
import org.axonframework.modelling.command.AggregateStreamCreationException;
import org.axonframework.modelling.command.ConcurrencyException;

/**
 * axon-carts is what people write with Axon Framework: the commands of cart_mix.lua, as events in PostgreSQL.
 *
 *     java -cp … carts.Main PORT postgresql://… [views]
 */
public class Main {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Created(String currency) {}

    private record Added(String sku, String name, int quantity, Command.Money unitPrice) {}

    private record Changed(int quantity) {}

    private interface Read {
        Object command(HttpServerExchange exchange, String cart) throws IOException;
    }

    public static void main(String[] arguments) {
        int port = Integer.parseInt(arguments[0]);
        Axon axon = new Axon(arguments[1], arguments.length > 2);
        RoutingHandler routes = new RoutingHandler()
                .put("/v1/carts/{cart}", answer(axon.gateway, (exchange, cart) ->
                        new Command.Create(cart, body(exchange, Created.class).currency())))
                .post("/v1/carts/{cart}/items", answer(axon.gateway, (exchange, cart) -> {
                    Added added = body(exchange, Added.class);
                    return new Command.Add(cart, added.sku(), added.name(), added.quantity(), added.unitPrice());
                }))
                .add("PATCH", "/v1/carts/{cart}/items/{sku}", answer(axon.gateway, (exchange, cart) ->
                        new Command.SetQuantity(
                                cart, parameter(exchange, "sku"), body(exchange, Changed.class).quantity())))
                .delete("/v1/carts/{cart}/items/{sku}", answer(axon.gateway, (exchange, cart) ->
                        new Command.Remove(cart, parameter(exchange, "sku"))))
                .post("/v1/carts/{cart}/checkout", answer(axon.gateway, (exchange, cart) -> new Command.CheckOut(cart)))
                .get("/settled", new BlockingHandler(exchange -> exchange.setStatusCode(axon.isSettled() ? 200 : 503)))
                .get("/readyz", exchange -> exchange.endExchange());
        Undertow.builder().addHttpListener(port, "127.0.0.1").setWorkerThreads(Axon.CONNECTIONS).setHandler(routes)
                .build().start();
    }

    private static HttpHandler answer(CommandGateway gateway, Read read) {
        return new BlockingHandler(exchange -> {
            String cart = parameter(exchange, "cart");
            String text;
            try {
                Object version = gateway.send(read.command(exchange, cart)).get();
                text = "{\"cartId\":\"" + cart + "\",\"version\":" + version + "}";
            } catch (ExecutionException failure) {
                exchange.setStatusCode(isConflict(failure.getCause()) ? 409 : 503);
                text = "{\"detail\":" + JSON.writeValueAsString(failure.getCause().getMessage()) + "}";
            } catch (IOException failure) {
                exchange.setStatusCode(400);
                text = "{\"detail\":\"no such command\"}";
            }
            exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/json");
            exchange.getResponseSender().send(text);
        });
    }

    private static boolean isConflict(Throwable failure) {
        return failure instanceof Cart.Refused || failure instanceof AggregateNotFoundException
                || failure instanceof AggregateStreamCreationException || failure instanceof ConcurrencyException;
    }

    private static String parameter(HttpServerExchange exchange, String name) {
        return exchange.getQueryParameters().get(name).getFirst();
    }

    private static <T> T body(HttpServerExchange exchange, Class<T> type) throws IOException {
        return JSON.readValue(exchange.getInputStream(), type);
    }
}
