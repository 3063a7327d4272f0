package myorder;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The shop's story as programs/world.py tells it, read from programs/story.csv, which it wrote.
 * Times are unix seconds.
 */
final class Story {
  private static final int PERIOD_SECONDS = 5;
  private static final int LONGEST_SECONDS = 240;
  private static final String[] AFTER = {"accepted", "cooked", "picked", "delivered"};

  /** What is drawn of one visit; the story repeats after as many as the file has. */
  private record Row(
      int clicks, boolean orders, int courier, long amount, String reason, int[] phases) {}

  /** A step of an order. */
  record Event(
      long time, long number, String state, int courier, long amount, String reason,
      String session) {
    String order() {
      return "o" + number;
    }
  }

  private final List<Row> cycle = new ArrayList<>();

  Story(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
    List<String> names = List.of(lines.get(0).split(","));
    for (String line : lines.subList(1, lines.size())) {
      String[] found = line.split(",", -1);
      int[] phases = new int[AFTER.length];
      for (int at = 0; at < phases.length; at++) {
        phases[at] = Integer.parseInt(found[names.indexOf("take") + at]);
      }
      cycle.add(
          new Row(
              found[names.indexOf("clicks")].split(" ").length,
              found[names.indexOf("orders")].equals("1"),
              Integer.parseInt(found[names.indexOf("courier")]),
              Long.parseLong(found[names.indexOf("amount")]),
              found[names.indexOf("reason")],
              phases));
    }
  }

  /** Steps of orders with begin <= time < end, in their order. */
  List<Event> events(long begin, long end) {
    List<Event> found = new ArrayList<>();
    long first = (begin - LONGEST_SECONDS) / PERIOD_SECONDS;
    for (long number = first; number * PERIOD_SECONDS < end; number++) {
      for (Event each : steps(number)) {
        if (begin <= each.time() && each.time() < end) {
          found.add(each);
        }
      }
    }
    found.sort(Comparator.comparingLong(Event::time).thenComparingLong(Event::number));
    return found;
  }

  private List<Event> steps(long number) {
    Row row = cycle.get((int) (number % cycle.size()));
    List<Event> found = new ArrayList<>();
    if (!row.orders()) {
      return found;
    }
    long now = number * PERIOD_SECONDS + 2L * row.clicks();
    found.add(event(now, number, "created", row));
    if (!row.reason().isEmpty()) {
      found.add(event(now + 1, number, "failed", row));
      return found;
    }
    for (int at = 0; at < AFTER.length; at++) {
      now += row.phases()[at];
      found.add(event(now, number, AFTER[at], row));
    }
    return found;
  }

  private static Event event(long time, long number, String state, Row row) {
    return new Event(
        time, number, state, row.courier(), row.amount(), row.reason(), session(number));
  }

  private static String session(long number) {
    try {
      byte[] text = Long.toString(number).getBytes(StandardCharsets.US_ASCII);
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(text);
      return HexFormat.of().formatHex(digest, 0, 8);
    } catch (NoSuchAlgorithmException fault) {
      throw new IllegalStateException("every Java platform has SHA-256", fault);
    }
  }
}
