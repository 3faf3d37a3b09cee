import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The table server on the JDK's own HTTP server, with a pool of four threads. */
public final class TableServer {
  private static final int ENTRIES = 100_000;
  private static final long MODULUS = 1L << 32;
  private static final Pattern NUMBER = Pattern.compile("n=(\\d{1,5})");

  private final String program;
  private final long[] table = new long[ENTRIES];
  private final AtomicLong requests = new AtomicLong();

  private TableServer(String program) {
    this.program = program;
    for (int i = 0; i < ENTRIES; i++) table[i] = i * 2654435761L % MODULUS;
  }

  private String common() {
    return "{\"program\": \"" + program + "\", \"requests\": " + requests.incrementAndGet();
  }

  private void value(HttpExchange exchange) throws IOException {
    String query = exchange.getRequestURI().getQuery();
    Matcher number = NUMBER.matcher(query == null ? "" : query);
    if (!number.matches()) {
      answer(exchange, 404, "{\"error\": \"expected /value?n=N with N from 0 to 99999\"}");
      return;
    }
    int n = Integer.parseInt(number.group(1));
    answer(exchange, 200, common() + ", \"n\": " + n + ", \"value\": " + table[n] + "}");
  }

  private void check(HttpExchange exchange) throws IOException {
    long sum = 0;
    for (int i = 0; i < ENTRIES; i++) sum = (sum + table[i] * (i % 7 + 1)) % MODULUS;
    answer(exchange, 200, common() + ", \"checksum\": " + sum + "}");
  }

  private static void answer(HttpExchange exchange, int status, String content) throws IOException {
    byte[] body = content.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  public static void main(String[] arguments) throws IOException {
    TableServer server = new TableServer(arguments[0]);
    HttpServer http = HttpServer.create(new InetSocketAddress("0.0.0.0", 8000), 128);
    http.createContext("/value", server::value);
    http.createContext("/check", server::check);
    http.setExecutor(Executors.newFixedThreadPool(4));
    http.start();
  }
}
