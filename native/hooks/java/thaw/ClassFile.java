package thaw;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A class file (chapter 4 of the JVM's specification) in which methods call Generation: the JDK's own tools for this are
 * others in every version. Four bytes are put in, so that what is aligned to four stays so.
 */
final class ClassFile {
    private static final int ADDED = 4;
    private static final int NOP = 0, ALOAD_0 = 0x2a, RETURN = 0xb1, INVOKESTATIC = 0xb8;
    private static final int[] SIZES = {0, 0, 0, 5, 5, 9, 9, 3, 3, 5, 5, 5, 5, 0, 0, 4, 3, 5, 5, 3, 3};
    private static final int UTF8 = 1, LONG = 5, DOUBLE = 6, CLASS = 7, METHODREF = 10, NAME_AND_TYPE = 12;

    private byte[] bytes;

    ClassFile(byte[] bytes) {
        this.bytes = bytes;
    }

    byte[] bytes() {
        return bytes;
    }

    /** Calls Generation.check before anything else in a method. */
    ClassFile checkFirst(String name, String type) {
        return new Edit(name, type, "check", "()V", false).made();
    }

    /** Calls Generation.register with `this` at the end of a constructor. */
    ClassFile registerLast(String name, String type) {
        return new Edit(name, type, "register", "(Ljava/util/Random;)V", true).made();
    }

    private final class Edit {
        private final String method, type, callee, calleeType;
        private final boolean last;
        private final ByteBuffer in = ByteBuffer.wrap(bytes);
        private final ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        private final DataOutputStream out = new DataOutputStream(buffer);
        private String[] texts;
        private int reference;
        private boolean found;

        Edit(String method, String type, String callee, String calleeType, boolean last) {
            this.method = method;
            this.type = type;
            this.callee = callee;
            this.calleeType = calleeType;
            this.last = last;
        }

        ClassFile made() {
            try {
                constants();
                copy(6);
                copy(2 * copyShort());
                for (int n = copyShort(); n > 0; n--) member(false);
                for (int n = copyShort(); n > 0; n--) member(true);
                copy(in.remaining());
            } catch (IOException impossible) {
                throw new IllegalStateException(impossible);
            }
            if (!found) throw new IllegalStateException("it has no " + method + type);
            return new ClassFile(buffer.toByteArray());
        }

        private void constants() throws IOException {
            copy(8);
            int count = Short.toUnsignedInt(in.getShort());
            texts = new String[count];
            out.writeShort(count + 6);
            for (int i = 1; i < count; i++) {
                int tag = in.get(in.position());
                int size = tag == UTF8 ? 3 + Short.toUnsignedInt(in.getShort(in.position() + 1)) : SIZES[tag];
                if (tag == UTF8) texts[i] = new String(bytes, in.position() + 3, size - 3, StandardCharsets.UTF_8);
                if (tag == LONG || tag == DOUBLE) i++;
                copy(size);
            }
            text("thaw/Generation");
            out.writeByte(CLASS);
            out.writeShort(count);
            text(callee);
            text(calleeType);
            out.writeByte(NAME_AND_TYPE);
            out.writeShort(count + 2);
            out.writeShort(count + 3);
            out.writeByte(METHODREF);
            out.writeShort(count + 1);
            out.writeShort(count + 4);
            reference = count + 5;
        }

        private void text(String text) throws IOException {
            out.writeByte(UTF8);
            out.writeUTF(text);
        }

        private void member(boolean isMethod) throws IOException {
            copy(2);
            String name = texts[copyShort()];
            String descriptor = texts[copyShort()];
            boolean wanted = isMethod && name.equals(method) && descriptor.equals(type);
            for (int n = copyShort(); n > 0; n--) {
                int at = in.position();
                boolean isCode = "Code".equals(texts[Short.toUnsignedInt(in.getShort(at))]);
                if (wanted && isCode) code();
                else copy(6 + in.getInt(at + 2));
            }
        }

        private void code() throws IOException {
            copy(2);
            int length = in.getInt();
            int end = in.position() + length;
            int place = buffer.size();
            out.writeInt(0);
            out.writeShort(Math.max(1, in.getShort())); // max_stack
            copy(2);
            int codeLength = in.getInt();
            out.writeInt(codeLength + ADDED);
            int at = last ? codeLength - 1 : 0;
            if (last && Byte.toUnsignedInt(in.get(in.position() + at)) != RETURN) {
                throw new IllegalStateException(method + type + " does not end with its return");
            }
            copy(at);
            if (last) out.writeByte(ALOAD_0);
            out.writeByte(INVOKESTATIC);
            out.writeShort(reference);
            if (!last) out.writeByte(NOP);
            copy(codeLength - at);
            int handlers = copyShort();
            if (last && handlers > 0) throw new IllegalStateException(method + type + " has handlers");
            for (int n = handlers; n > 0; n--) {
                for (int i = 0; i < 3; i++) out.writeShort(in.getShort() + ADDED);
                copy(2);
            }
            for (int n = copyShort(); n > 0; n--) attribute();
            if (in.position() != end) throw new IllegalStateException("its code has another length than it says");
            byte[] done = buffer.toByteArray();
            ByteBuffer.wrap(done).putInt(place, done.length - place - 4);
            buffer.reset();
            buffer.write(done);
            found = true;
        }

        /** Tables for debuggers are left out: those of the edited methods are of no use to anybody. */
        private void attribute() throws IOException {
            int start = in.position();
            String name = texts[Short.toUnsignedInt(in.getShort(start))];
            int size = in.getInt(start + 2);
            if (!"StackMapTable".equals(name)) {
                copyEmpty(size);
                return;
            }
            if (last) throw new IllegalStateException(method + type + " has branches");
            copy(2);
            in.getInt();
            int frames = Short.toUnsignedInt(in.getShort());
            int tag = Byte.toUnsignedInt(in.get());
            // The first frame's place is absolute, those of the others are relative to the one before.
            boolean isSame = tag < 64, isOneItem = tag >= 64 && tag < 128;
            int delta = isSame ? tag : isOneItem ? tag - 64 : Short.toUnsignedInt(in.getShort());
            int rest = start + 6 + size - in.position();
            out.writeInt(2 + 1 + 2 + rest);
            out.writeShort(frames);
            out.writeByte(isSame ? 251 : isOneItem ? 247 : tag);
            out.writeShort(delta + ADDED);
            copy(rest);
        }

        /** An attribute that means nothing takes the place of one that is left out. */
        private void copyEmpty(int size) throws IOException {
            int name = Short.toUnsignedInt(in.getShort());
            in.position(in.position() + 4 + size);
            out.writeShort(name);
            out.writeInt(2);
            out.writeShort(0); // no entries
        }

        private void copy(int count) {
            buffer.write(bytes, in.position(), count);
            in.position(in.position() + count);
        }

        private int copyShort() throws IOException {
            int value = Short.toUnsignedInt(in.getShort());
            out.writeShort(value);
            return value;
        }
    }
}
