package carts;

import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.net.URI;
import java.sql.SQLException;
import java.util.concurrent.Executors;
import org.axonframework.commandhandling.gateway.CommandGateway;
import org.axonframework.commandhandling.gateway.DefaultCommandGateway;
import org.axonframework.commandhandling.gateway.IntervalRetryScheduler;
import org.axonframework.common.caching.Cache;
import org.axonframework.common.caching.EhCache3Adapter;
import org.axonframework.common.jdbc.ConnectionProvider;
import org.axonframework.common.jdbc.UnitOfWorkAwareConnectionProviderWrapper;
import org.axonframework.common.transaction.TransactionManager;
import org.axonframework.config.AggregateConfigurer;
import org.axonframework.config.Configuration;
import org.axonframework.config.Configurer;
import org.axonframework.config.DefaultConfigurer;
import org.axonframework.eventhandling.pooled.PooledStreamingEventProcessor;
import org.axonframework.eventhandling.tokenstore.TokenStore;
import org.axonframework.eventhandling.tokenstore.jdbc.JdbcTokenStore;
import org.axonframework.eventhandling.tokenstore.jdbc.PostgresTokenTableFactory;
import org.axonframework.eventsourcing.EventCountSnapshotTriggerDefinition;
import org.axonframework.eventsourcing.eventstore.EventStorageEngine;
import org.axonframework.eventsourcing.eventstore.jdbc.JdbcEventStorageEngine;
import org.axonframework.eventsourcing.eventstore.jdbc.PostgresEventTableFactory;
import org.axonframework.serialization.json.JacksonSerializer;
import org.axonframework.spring.jdbc.SpringDataSourceConnectionProvider;
import org.axonframework.spring.messaging.unitofwork.SpringTransactionManager;
import org.ehcache.config.builders.CacheConfigurationBuilder;
import org.ehcache.config.builders.CacheManagerBuilder;
import org.ehcache.config.builders.ResourcePoolsBuilder;
import org.ehcache.core.Ehcache;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;

/** Axon as its reference guide sets it up for PostgreSQL without Axon Server. */
class Axon {
    static final int CONNECTIONS = 64;
    private static final int CACHED_CARTS = 100_000;
    private static final int EVENTS_PER_SNAPSHOT = 500;
    private static final int RETRIES = 5, RETRY_MS = 10;
    private static final int SEGMENTS = 4, EVENTS_PER_BATCH = 100;
    private static final String UNIQUE_VIOLATION = "23505";

    final CommandGateway gateway;
    private final Configuration configuration;
    private final boolean hasViews;

    Axon(String url, boolean hasViews) {
        this.hasViews = hasViews;
        HikariDataSource database = open(url);
        TransactionManager transactions = new SpringTransactionManager(new JdbcTransactionManager(database));
        ConnectionProvider connections =
                new UnitOfWorkAwareConnectionProviderWrapper(new SpringDataSourceConnectionProvider(database));
        Configurer configurer = DefaultConfigurer.defaultConfiguration()
                .configureSerializer(c -> JacksonSerializer.builder().objectMapper(
                        new ObjectMapper().setVisibility(PropertyAccessor.FIELD, Visibility.ANY)).build())
                .configureTransactionManager(c -> transactions)
                .registerComponent(CommandGateway.class, Axon::retrying)
                .configureEmbeddedEventStore(c -> store(c, connections, transactions))
                .configureAggregate(AggregateConfigurer.defaultConfiguration(Cart.class)
                        .configureCache(c -> cache())
                        .configureSnapshotTrigger(c ->
                                new EventCountSnapshotTriggerDefinition(c.snapshotter(), EVENTS_PER_SNAPSHOT)));
        if (hasViews) {
            JdbcTemplate template = new JdbcTemplate(database);
            transactions.executeInTransaction(() -> template.execute(CartViews.SCHEMA));
            configurer.registerComponent(TokenStore.class, c -> tokens(c, connections, transactions));
            configurer.eventProcessing(processing -> {
                processing.registerEventHandler(c -> new CartViews(template));
                processing.registerPooledStreamingEventProcessor(CartViews.GROUP, Configuration::eventStore,
                        (c, builder) -> builder.initialSegmentCount(SEGMENTS).batchSize(EVENTS_PER_BATCH));
            });
        }
        configuration = configurer.start();
        gateway = configuration.commandGateway();
    }

    private static HikariDataSource open(String url) {
        URI uri = URI.create(url);
        String[] user = uri.getUserInfo().split(":");
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath());
        config.setUsername(user[0]);
        config.setPassword(user[1]);
        config.setAutoCommit(false);
        config.setMaximumPoolSize(CONNECTIONS);
        return new HikariDataSource(config);
    }

    private static CommandGateway retrying(Configuration configuration) {
        return DefaultCommandGateway.builder().commandBus(configuration.commandBus())
                .retryScheduler(IntervalRetryScheduler.builder()
                        .retryExecutor(Executors.newScheduledThreadPool(2))
                        .retryInterval(RETRY_MS).maxRetryCount(RETRIES).build())
                .build();
    }

    private static EventStorageEngine store(Configuration configuration, ConnectionProvider connections,
                                            TransactionManager transactions) {
        JdbcEventStorageEngine engine = JdbcEventStorageEngine.builder()
                .eventSerializer(configuration.eventSerializer()).snapshotSerializer(configuration.serializer())
                .persistenceExceptionResolver(Axon::isDuplicateKey)
                .connectionProvider(connections).transactionManager(transactions).build();
        transactions.executeInTransaction(() -> engine.createSchema(PostgresEventTableFactory.INSTANCE));
        return engine;
    }

    /** Axon's own resolver looks for an exception that PostgreSQL's driver does not have. */
    private static boolean isDuplicateKey(Throwable failure) {
        return failure instanceof SQLException database && UNIQUE_VIOLATION.equals(database.getSQLState())
                || failure.getCause() != null && isDuplicateKey(failure.getCause());
    }

    private static TokenStore tokens(Configuration configuration, ConnectionProvider connections,
                                     TransactionManager transactions) {
        JdbcTokenStore tokens = JdbcTokenStore.builder()
                .connectionProvider(connections).serializer(configuration.serializer()).build();
        transactions.executeInTransaction(() -> tokens.createSchema(PostgresTokenTableFactory.INSTANCE));
        return tokens;
    }

    private static Cache cache() {
        return new EhCache3Adapter((Ehcache<?, ?>) CacheManagerBuilder.newCacheManagerBuilder().build(true)
                .createCache("carts", CacheConfigurationBuilder.newCacheConfigurationBuilder(
                        Object.class, Object.class, ResourcePoolsBuilder.heap(CACHED_CARTS))));
    }

    /** Whether the views have every event. */
    boolean isSettled() {
        if (!hasViews) {
            return true;
        }
        long head = configuration.eventStore().createHeadToken().position().orElse(0);
        return configuration.eventProcessingConfiguration()
                .eventProcessor(CartViews.GROUP, PooledStreamingEventProcessor.class).orElseThrow()
                .processingStatus().values().stream()
                .allMatch(segment -> segment.getCurrentPosition().orElse(-1) >= head);
    }
}
