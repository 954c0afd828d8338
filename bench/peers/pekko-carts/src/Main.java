package carts;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.sharding.typed.javadsl.ClusterSharding;
import org.apache.pekko.cluster.sharding.typed.javadsl.Entity;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.pattern.StatusReply;
import org.apache.pekko.persistence.jdbc.testkit.javadsl.SchemaUtils;

/**
 * pekko-carts is what people write with Apache Pekko, the free fork of Akka: the commands of cart_mix.lua, each cart an
 * event-sourced actor in a cluster of one, its events in PostgreSQL.
 *
 *     java -cp … carts.Main PORT postgresql://…
 */
public class Main {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final int BODY_MAX = 64 << 10;

    private record Created(String currency) {}

    private record Added(String sku, String name, int quantity, Command.Money unitPrice) {}

    private record Changed(int quantity) {}

    private final ActorSystem<Void> system;
    private final ClusterSharding sharding;

    private Main(String url) {
        system = ActorSystem.create(Behaviors.empty(), "carts", configuration(URI.create(url)));
        SchemaUtils.createIfNotExists(system).toCompletableFuture().join();
        Cluster cluster = Cluster.get(system);
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        sharding = ClusterSharding.get(system);
        sharding.init(Entity.of(Cart.KEY, context -> Cart.of(context.getEntityId())));
    }

    private static Config configuration(URI uri) {
        String[] user = uri.getUserInfo().split(":");
        Map<String, String> database = Map.of(
                "url", "jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath(),
                "user", user[0], "password", user[1]);
        return ConfigFactory.parseMap(Map.of("pekko-persistence-jdbc.shared-databases.slick.db", database))
                .withFallback(ConfigFactory.load()).resolve();
    }

    public static void main(String[] arguments) {
        Main main = new Main(arguments[1]);
        Http.get(main.system).newServerAt("127.0.0.1", Integer.parseInt(arguments[0])).bind(main::answer);
    }

    private CompletionStage<HttpResponse> answer(HttpRequest request) {
        return request.entity().toStrict(PATIENCE.toMillis(), BODY_MAX, system)
                .thenCompose(entity -> {
                    String[] path = request.getUri().path().split("/");
                    if (path.length < 4) {
                        return CompletableFuture.completedFuture(HttpResponse.create()); // /readyz
                    }
                    return handle(path[3], command(request.method().value(), path, entity.getData().toArrayUnsafe()));
                });
    }

    /** /v1/carts/CART, /v1/carts/CART/items, /v1/carts/CART/items/SKU, /v1/carts/CART/checkout */
    private static Function<ActorRef<StatusReply<Long>>, Command> command(String method, String[] path, byte[] body) {
        try {
            switch (method + path.length) {
                case "PUT4":
                    String currency = JSON.readValue(body, Created.class).currency();
                    return replyTo -> new Command.Create(currency, replyTo);
                case "POST5":
                    if (path[4].equals("checkout")) {
                        return Command.CheckOut::new;
                    }
                    Added added = JSON.readValue(body, Added.class);
                    return replyTo ->
                            new Command.Add(added.sku(), added.name(), added.quantity(), added.unitPrice(), replyTo);
                case "PATCH6":
                    int quantity = JSON.readValue(body, Changed.class).quantity();
                    return replyTo -> new Command.SetQuantity(path[5], quantity, replyTo);
                case "DELETE6":
                    return replyTo -> new Command.Remove(path[5], replyTo);
                default:
                    return null;
            }
        } catch (IOException failure) {
            return null;
        }
    }

    private CompletionStage<HttpResponse> handle(String cart, Function<ActorRef<StatusReply<Long>>, Command> command) {
        if (command == null) {
            return CompletableFuture.completedFuture(response(400, "{\"detail\":\"no such command\"}"));
        }
        return sharding.entityRefFor(Cart.KEY, cart).askWithStatus(command::apply, PATIENCE)
                .thenApply(version -> response(200, "{\"cartId\":\"" + cart + "\",\"version\":" + version + "}"))
                .exceptionally(failure -> response(failure.getCause() instanceof StatusReply.ErrorMessage ? 409 : 503,
                        "{\"detail\":\"" + failure.getCause().getMessage() + "\"}"));
    }

    private static HttpResponse response(int status, String text) {
        return HttpResponse.create().withStatus(status).withEntity(ContentTypes.APPLICATION_JSON, text);
    }
}
