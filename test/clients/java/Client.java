import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Summary;
import io.prometheus.metrics.exporter.pushgateway.Format;
import io.prometheus.metrics.exporter.pushgateway.PushGateway;
import io.prometheus.metrics.exporter.pushgateway.Scheme;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/**
 * Pushes as a program that uses client_java does; test/e2e/clients/java.test.ts starts it.
 *
 * <p>java Client HOST:PORT STEP…, where a step is
 *
 * <pre>
 *   text | protobuf                    the format from here on (protobuf at first)
 *   https                              from here on
 *   auth USER PASSWORD                 from here on
 *   push | pushAdd JOB LABELS GAUGE    LABELS is `-` or `name=value,…`; GAUGE is `name=value`, or `types` for one metric of each type
 *   delete JOB LABELS
 * </pre>
 *
 * It writes a line for each request: `ok`, or the exception of the client.
 */
class Client {
  public static void main(String[] args) {
    Queue<String> words = new ArrayDeque<>(List.of(args));
    String address = words.remove();
    Format format = Format.PROMETHEUS_PROTOBUF;
    Scheme scheme = Scheme.HTTP;
    String user = null;
    String password = null;
    while (!words.isEmpty()) {
      String action = words.remove();
      switch (action) {
        case "text" -> format = Format.PROMETHEUS_TEXT;
        case "protobuf" -> format = Format.PROMETHEUS_PROTOBUF;
        case "https" -> scheme = Scheme.HTTPS;
        case "auth" -> {
          user = words.remove();
          password = words.remove();
        }
        default -> {
          var registry = new PrometheusRegistry();
          var builder =
              PushGateway.builder().scheme(scheme).address(address).format(format).registry(registry).job(words.remove());
          for (String pair : words.remove().split(",")) {
            int equals = pair.indexOf('=');
            if (equals > 0) builder.groupingKey(pair.substring(0, equals), pair.substring(equals + 1));
          }
          if (user != null) builder.basicAuth(user, password);
          if (!action.equals("delete")) fill(registry, words.remove());
          System.out.println(outcome(builder.build(), action));
        }
      }
    }
  }

  private static String outcome(PushGateway gateway, String action) {
    try {
      switch (action) {
        case "push" -> gateway.push();
        case "pushAdd" -> gateway.pushAdd();
        case "delete" -> gateway.delete();
        default -> throw new IllegalArgumentException(action);
      }
      return "ok";
    } catch (IOException e) {
      return e.getMessage().replace('\n', ' ');
    }
  }

  private static void fill(PrometheusRegistry registry, String metric) {
    if (!metric.equals("types")) {
      String[] parts = metric.split("=");
      Gauge.builder().name(parts[0]).help("A gauge.").register(registry).set(Double.parseDouble(parts[1]));
      return;
    }
    var counter = Counter.builder().name("java_requests_total").help("A counter.").labelNames("path");
    counter.register(registry).labelValues("/a \"b\"\\c\n").inc(3);
    Summary.builder().name("java_size_bytes").help("A summary.").quantile(0.5).register(registry).observe(7);
    var histogram = Histogram.builder().name("java_duration_seconds").help("Classic and native.");
    var durations = histogram.classicUpperBounds(0.1, 1).register(registry);
    for (double seconds : new double[] {0.05, 0.5, 5}) durations.observe(seconds);
  }
}
