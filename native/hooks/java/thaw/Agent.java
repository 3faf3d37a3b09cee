package thaw;

import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Renews OpenJDK's random state in a process that thaw restored (docs/identity.md): lets the classes that keep random
 * numbers call Generation.check before they give one. Whatever goes wrong is told, and the program starts without.
 */
public final class Agent implements ClassFileTransformer {
    private static final String RANDOM = "java/util/Random";
    private static final String THREADS = "java/util/concurrent/ThreadLocalRandom";
    private static final String SPLITTABLE = "java/util/SplittableRandom";

    private Agent() {}

    public static void premain(String argument, Instrumentation instrumentation) {
        try {
            openModules(instrumentation);
            if (!Generation.begin()) return;
            Class<?>[] classes = {Random.class, ThreadLocalRandom.class, SplittableRandom.class};
            Agent agent = new Agent();
            instrumentation.addTransformer(agent, true);
            instrumentation.retransformClasses(classes);
            instrumentation.removeTransformer(agent);
        } catch (Throwable failure) {
            System.err.println("thaw: random numbers are not reseeded after a restore: " + failure);
        }
    }

    /** The seeds are private to the JDK. */
    private static void openModules(Instrumentation instrumentation) {
        Set<Module> us = Set.of(Agent.class.getModule());
        Map<String, Set<Module>> opened = Map.of("java.lang", us, "java.util", us, "java.util.concurrent", us);
        Module base = Object.class.getModule();
        instrumentation.redefineModule(base, Set.of(), Map.of(), opened, Set.of(), Map.of());
    }

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> old, ProtectionDomain domain, byte[] bytes) {
        try {
            switch (name) {
                case RANDOM:
                    return new ClassFile(bytes).checkFirst("next", "(I)I").registerLast("<init>", "()V").bytes();
                case THREADS:
                    return new ClassFile(bytes).checkFirst("nextSeed", "()J").bytes();
                case SPLITTABLE:
                    return new ClassFile(bytes).checkFirst("<init>", "()V").bytes();
                default:
                    return null;
            }
        } catch (RuntimeException failure) {
            System.err.println("thaw: " + name + " is not reseeded after a restore: " + failure);
            return null;
        }
    }
}
