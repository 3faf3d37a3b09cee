package thaw;

import java.io.RandomAccessFile;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

/** The generation of the sandbox, a mapped file that shows another content after a restore, and what is renewed then. */
public final class Generation {
    private static final String FILE = "/dev/thaw/generation";
    private static final int BYTES = 16; // as many digits of it, which are 64 random bits
    private static final long SEED_BITS = (1L << 48) - 1; // of a Random

    private static ByteBuffer page;
    private static long first;
    private static long second;
    private static Thread renewing;
    private static Field seedOfThread;
    private static Field seedOfRandom;
    private static Field keepsGaussian;
    private static final List<AtomicLong> seeders = new ArrayList<>();

    /** Those that nobody gave a seed. */
    private static final Set<Reference<Random>> unseeded = new HashSet<>();
    private static final ReferenceQueue<Random> gone = new ReferenceQueue<>();

    private Generation() {}

    /** False where there is no generation. */
    static boolean begin() throws Exception {
        if (!new java.io.File(FILE).exists()) return false;
        try (RandomAccessFile file = new RandomAccessFile(FILE, "r")) {
            page = file.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, BYTES);
        }
        seeders.add(seeder(Random.class, "seedUniquifier"));
        seeders.add(seeder(ThreadLocalRandom.class, "seeder"));
        seeders.add(seeder(SplittableRandom.class, "defaultGen"));
        seedOfThread = field(Thread.class, "threadLocalRandomSeed");
        seedOfRandom = field(Random.class, "seed");
        keepsGaussian = field(Random.class, "haveNextNextGaussian");
        first = page.getLong(0);
        second = page.getLong(8);
        return true;
    }

    private static AtomicLong seeder(Class<?> owner, String name) throws Exception {
        return (AtomicLong) field(owner, name).get(null);
    }

    private static Field field(Class<?> owner, String name) throws Exception {
        Field field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    /** Called before every random number. */
    public static void check() {
        if (page.getLong(0) != first || page.getLong(8) != second) renew();
    }

    /** Called for every Random that is made without a seed. */
    public static void register(Random random) {
        if (random.getClass() != Random.class) return;
        synchronized (unseeded) {
            for (Reference<?> old = gone.poll(); old != null; old = gone.poll()) unseeded.remove(old);
            unseeded.add(new WeakReference<>(random, gone));
        }
    }

    /** Renews everything; who comes meanwhile waits. */
    private static void renew() {
        if (renewing == Thread.currentThread()) return;
        synchronized (Generation.class) {
            long[] now = {page.getLong(0), page.getLong(8)};
            if (now[0] == first && now[1] == second) return;
            renewing = Thread.currentThread();
            try {
                reseed();
            } catch (Exception failure) {
                System.err.println("thaw: random numbers could not be reseeded: " + failure);
            } finally {
                renewing = null;
                first = now[0];
                second = now[1];
            }
        }
    }

    private static void reseed() throws Exception {
        try (RandomAccessFile kernel = new RandomAccessFile("/dev/urandom", "r")) {
            for (AtomicLong seeder : seeders) seeder.set(kernel.readLong());
            for (Thread thread : threads()) {
                if (thread != null && seedOfThread.getLong(thread) != 0) seedOfThread.setLong(thread, kernel.readLong());
            }
            synchronized (unseeded) {
                for (Reference<Random> reference : unseeded) reseed(reference.get(), kernel.readLong());
            }
        }
    }

    /** Not by setSeed, which waits for who holds the Random's lock and may wait here. */
    private static void reseed(Random random, long seed) throws Exception {
        if (random == null) return;
        ((AtomicLong) seedOfRandom.get(random)).set(seed & SEED_BITS);
        keepsGaussian.setBoolean(random, false);
    }

    private static Thread[] threads() {
        ThreadGroup all = Thread.currentThread().getThreadGroup();
        while (all.getParent() != null) all = all.getParent();
        Thread[] threads = new Thread[all.activeCount() + 64];
        while (all.enumerate(threads, true) == threads.length) threads = new Thread[2 * threads.length];
        return threads;
    }
}
