package myorder;

import ch.qos.logback.classic.LoggerContext;
import java.io.IOException;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * The core system: it logs by SLF4J as any Java program does, and knows nothing of where that goes.
 * logback.xml sends what it says of orders to the Logstore by the official appender, without a file
 * in between, and prints its trace log, which the agent collects.
 *
 * <p>{@code Core [--begin SECONDS --end SECONDS]}: a span of unix time, or the present until
 * SIGTERM. STORY is the path of story.csv.
 */
public final class Core {
  private static final Logger LOG = LoggerFactory.getLogger(Core.class);
  private static final Logger TRACE = LoggerFactory.getLogger("trace");
  private static final long PAUSE_MILLIS = 500;

  /** An order that ends without a meal. */
  static final class OrderFailedException extends Exception {
    private static final long serialVersionUID = 1L;

    OrderFailedException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private Core() {}

  /** Works the span off, or follows the clock. */
  public static void main(String[] words) throws IOException, InterruptedException {
    Story story = new Story(Path.of(System.getenv().getOrDefault("STORY", "story.csv")));
    if (words.length == 4 && words[0].equals("--begin") && words[2].equals("--end")) {
      work(story, Long.parseLong(words[1]), Long.parseLong(words[3]));
      // Stopping waits until the appender has delivered what it holds.
      ((LoggerContext) LoggerFactory.getILoggerFactory()).stop();
    } else if (words.length == 0) {
      follow(story);
    } else {
      System.err.println("usage: Core [--begin SECONDS --end SECONDS]");
      System.exit(2);
    }
  }

  private static void follow(Story story) throws InterruptedException {
    long begin = now();
    while (true) {
      Thread.sleep(PAUSE_MILLIS);
      long end = now();
      work(story, begin, end);
      begin = end;
    }
  }

  private static long now() {
    return System.currentTimeMillis() / 1000;
  }

  private static void work(Story story, long begin, long end) {
    for (Story.Event each : story.events(begin, end)) {
      MDC.put("thread", Long.toString(Thread.currentThread().getId()));
      MDC.put("order", each.order());
      MDC.put("state", each.state());
      MDC.put("session", each.session());
      MDC.put("trace_id", Long.toString(each.number()));
      MDC.put("request_id", Long.toString(each.number()));
      MDC.put("user_id", Integer.toString(each.courier()));
      TRACE.debug("[Order:{}]_end__", each.state());
      if (each.state().equals("failed")) {
        failed(each);
      } else {
        LOG.info("order {} of {} yuan is {}", each.order(), each.amount(), each.state());
      }
      MDC.clear();
    }
  }

  private static void failed(Story.Event found) {
    MDC.put("reason", found.reason());
    if (!found.reason().equals("system error")) {
      LOG.warn("order {} is refused: {}", found.order(), found.reason());
      return;
    }
    try {
      place(found);
    } catch (OrderFailedException fault) {
      LOG.error("order {} could not be placed", found.order(), fault);
    }
  }

  private static void place(Story.Event found) throws OrderFailedException {
    try {
      throw new IOException("connect() to unix:/tmp/fastcgi.socket failed");
    } catch (IOException fault) {
      throw new OrderFailedException("no answer for " + found.order(), fault);
    }
  }
}
