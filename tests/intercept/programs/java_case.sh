# java_case: the compilers' code, threads, a collection of garbage, files, a child.
cat > Case.java <<'END'
import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Case {
    static final int SCALE = Integer.parseInt(System.getenv("SCALE"));
    static double work(int seed) { double s = 0; for (int i = 1; i < 300000; i++) s += Math.sqrt(i * (double) seed) / i; return s; }
    public static void main(String[] a) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<Future<Double>> all = new ArrayList<>();
        for (int i = 1; i <= 8 * SCALE; i++) { int n = i; all.add(pool.submit(() -> work(n))); }
        for (Future<Double> f : all) System.out.printf("%.9f%n", f.get());
        pool.shutdown();
        List<byte[]> waste = new ArrayList<>();
        for (int i = 0; i < 400; i++) { waste.add(new byte[100000]); if (i % 50 == 0) waste.clear(); }
        System.gc();
        try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); } // a SIGSEGV inside
        try { recurse(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
        Files.writeString(Path.of("t"), "text"); System.out.println(Files.readString(Path.of("t")));
        Process p = new ProcessBuilder("echo", "child").redirectErrorStream(true).start();
        System.out.println(new String(p.getInputStream().readAllBytes()).trim() + p.waitFor());
        System.out.println(IntStream.range(0, 100000).parallel().mapToDouble(Math::sin).map(x -> Math.rint(x * 1e6)).sum());
    }
    static int recurse(int n) { return recurse(n + 1) + 1; }
}
END
java -Xmx128m -Xss512k Case.java
