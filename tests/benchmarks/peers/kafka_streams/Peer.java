import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: state in RocksDB with changelog topics, an update for each event. The work is that of ../work.py. */
public final class Peer {
    private static final int HEADER_SIZE = 10; // marker and fingerprint
    private static final int FIELDS = 5;
    private static final AtomicLong done = new AtomicLong();
    private static final CountDownLatch end = new CountDownLatch(1);
    private static long expected;

    public static void main(String[] arguments) throws Exception {
        Schema schema = Schema.createArray(new Schema.Parser().parse(Path.of(arguments[0]).toFile()));
        String name = arguments[1], brokers = arguments[2], interactions = arguments[3], results = arguments[4];
        expected = Long.parseLong(arguments[5]);
        KafkaStreams streams = new KafkaStreams(topology(interactions, results, schema).build(), settings(name, brokers));
        streams.start();
        end.await();
        streams.close(); // flushes, commits
        System.out.println("everything stored");
    }

    private static Properties settings(String name, String brokers) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Path.of("state").toAbsolutePath().toString());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 5_000);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return settings;
    }

    private static StreamsBuilder topology(String interactions, String results, Schema schema) {
        StreamsBuilder builder = new StreamsBuilder();
        Serde<long[]> numbers = Serdes.serdeFrom((topic, row) -> bytes(row), (topic, bytes) -> row(bytes));
        builder.addStateStore(store("counts", numbers));
        builder.addStateStore(store("opened", Serdes.Long()));
        GenericDatumReader<List<GenericRecord>> reader = new GenericDatumReader<>(schema);
        // Accounts are partitioned already, so no repartitioning is needed.
        builder.stream(interactions, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .flatMap((key, message) -> decode(reader, message))
            .process(Fold::new, "counts", "opened")
            .to(results, Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }

    private static <V> StoreBuilder<KeyValueStore<String, V>> store(String name, Serde<V> values) {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.String(), values)
            .withCachingEnabled(); // as the DSL does: the changelog has an account once a commit, not once an event
    }

    private static List<KeyValue<String, GenericRecord>> decode(
            GenericDatumReader<List<GenericRecord>> reader, byte[] message) {
        try {
            BinaryDecoder decoder =
                DecoderFactory.get().binaryDecoder(message, HEADER_SIZE, message.length - HEADER_SIZE, null);
            return reader.read(null, decoder).stream()
                .map(event -> KeyValue.pair(event.get("account").toString(), event))
                .toList();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static byte[] bytes(long[] row) {
        if (row == null) {
            return null;
        }
        ByteBuffer buffer = ByteBuffer.allocate(row.length * Long.BYTES);
        buffer.asLongBuffer().put(row);
        return buffer.array();
    }

    private static long[] row(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        long[] row = new long[bytes.length / Long.BYTES];
        ByteBuffer.wrap(bytes).asLongBuffer().get(row);
        return row;
    }

    /** Counts the events of an account. */
    private static final class Fold implements Processor<String, GenericRecord, String, String> {
        private ProcessorContext<String, String> context;
        private KeyValueStore<String, long[]> counts;
        private KeyValueStore<String, Long> opened;

        @Override
        public void init(ProcessorContext<String, String> context) {
            this.context = context;
            counts = context.getStateStore("counts");
            opened = context.getStateStore("opened");
        }

        @Override
        public void process(Record<String, GenericRecord> input) {
            GenericRecord event = input.value();
            String account = input.key();
            String thread = account + " " + event.get("conversation_id") + " " + event.get("contact_id");
            String kind = event.get("kind").toString();
            long at = (Long) event.get("published_at");
            long[] row = counts.get(account);
            if (row == null) {
                row = new long[FIELDS];
            }
            if (kind.equals("mention")) {
                row[0]++;
                if (opened.putIfAbsent(thread, at) == null) {
                    row[2]++;
                }
            } else if (kind.equals("reply") && !(Boolean) event.get("automated")) {
                row[1]++;
                Long openedAt = opened.get(thread);
                if (openedAt != null) {
                    row[3]++;
                    row[4] += at - openedAt;
                    opened.delete(thread);
                }
            }
            counts.put(account, row);
            String numbers = Arrays.toString(row);
            context.forward(new Record<>(account, "[\"" + account + "\", " + numbers.substring(1), input.timestamp()));
            advance();
        }

        private static void advance() {
            long number = done.incrementAndGet();
            if (number == 1) {
                System.out.println("first event processed");
            }
            if (number == expected) {
                System.out.println("last event processed");
                end.countDown();
            }
        }
    }
}
