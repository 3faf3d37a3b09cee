package table;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/** The table server as a Spring Boot application on its embedded Tomcat. */
@SpringBootApplication
@RestController
public class TableApplication {
  private static final int ENTRIES = 100_000;
  private static final long MODULUS = 1L << 32;

  private final long[] table = new long[ENTRIES];
  private final AtomicLong requests = new AtomicLong();

  public TableApplication() {
    for (int i = 0; i < ENTRIES; i++) table[i] = i * 2654435761L % MODULUS;
  }

  @GetMapping("/value")
  public Map<String, Object> value(@RequestParam int n) {
    if (n < 0 || n >= ENTRIES) throw new ResponseStatusException(HttpStatus.NOT_FOUND, "expected n from 0 to 99999");
    Map<String, Object> answer = common();
    answer.put("n", n);
    answer.put("value", table[n]);
    return answer;
  }

  @GetMapping("/check")
  public Map<String, Object> check() {
    long sum = 0;
    for (int i = 0; i < ENTRIES; i++) sum = (sum + table[i] * (i % 7 + 1)) % MODULUS;
    Map<String, Object> answer = common();
    answer.put("checksum", sum);
    return answer;
  }

  private Map<String, Object> common() {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("program", "spring-boot");
    answer.put("requests", requests.incrementAndGet());
    return answer;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(TableApplication.class, arguments);
  }
}
