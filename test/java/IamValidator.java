import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;

import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Lets those log in at a broker whose tokens are as Amazon MSK wants them.
 *
 * The keys are lines of the file that evaudit.keys names, each an id, its
 * secret and, if it has one, its session token; it is read for each login.
 * What came of each login is appended to the file that evaudit.logins names.
 */
public class IamValidator implements AuthenticateCallbackHandler {
    private static final String EMPTY = hex(sha256(""));

    private record Token(String value, String principalName, long lifetimeMs)
            implements OAuthBearerToken {
        public Set<String> scope() { return Set.of(); }
        public Long startTimeMs() { return null; }
    }

    private record Key(String secret, String session) { }

    public void configure(Map<String, ?> configs, String mechanism,
            List<AppConfigurationEntry> entries) { }

    public void close() { }

    public void handle(Callback[] callbacks)
            throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (!(callback instanceof OAuthBearerValidatorCallback asked))
                throw new UnsupportedCallbackException(callback);
            try {
                Token token = validate(asked.tokenValue());
                log("accepted " + token.principalName());
                asked.token(token);
            } catch (Exception refused) {
                log("refused " + refused.getMessage());
                asked.error("invalid_token", null, null);
            }
        }
    }

    private static synchronized void log(String line) {
        try {
            Files.writeString(Path.of(System.getProperty("evaudit.logins")),
                line + "\n", java.nio.file.StandardOpenOption.CREATE,
                java.nio.file.StandardOpenOption.APPEND);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Token validate(String value) throws Exception {
        if (value.contains("="))
            throw new Exception("padding");
        URI url = new URI(new String(Base64.getUrlDecoder().decode(value),
            StandardCharsets.UTF_8));
        TreeMap<String, String> query = new TreeMap<>();
        for (String field : url.getRawQuery().split("&")) {
            String[] parts = field.split("=", 2);
            if (query.put(decode(parts[0]), decode(parts[1])) != null)
                throw new Exception("a field twice: " + parts[0]);
        }
        String signature = query.remove("X-Amz-Signature");
        if (query.remove("User-Agent") == null)
            throw new Exception("no User-Agent");
        String[] scope = query.get("X-Amz-Credential").split("/");
        Key key = keys().get(scope[0]);
        if (key == null)
            throw new Exception("unknown key " + scope[0]);
        String expected = sign(url.getHost(), query, scope, key);

        if (!expected.equals(signature))
            throw new Exception("signature");
        check("region", System.getProperty("evaudit.region"), scope[2]);
        check("service", "kafka-cluster", scope[3]);
        check("host", "kafka." + scope[2] + ".amazonaws.com", url.getHost());
        check("scheme", "https", url.getScheme());
        check("path", "/", url.getPath());
        check("action", "kafka-cluster:Connect", query.get("Action"));
        check("headers", "host", query.get("X-Amz-SignedHeaders"));
        check("session", key.session(), query.get("X-Amz-Security-Token"));
        Instant signed = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'")
            .withZone(ZoneOffset.UTC)
            .parse(query.get("X-Amz-Date"), Instant::from);
        Instant end = signed.plusSeconds(
            Long.parseLong(query.get("X-Amz-Expires")));
        Instant now = Instant.now();
        if (signed.isAfter(now.plusSeconds(60)) || end.isBefore(now) ||
                end.isAfter(signed.plusSeconds(900)))
            throw new Exception("time");
        return new Token(value, scope[0], end.toEpochMilli());
    }

    private static void check(String what, String expected, String found)
            throws Exception {
        if (!java.util.Objects.equals(expected, found))
            throw new Exception(what + " " + found);
    }

    private static Map<String, Key> keys() throws Exception {
        Map<String, Key> keys = new TreeMap<>();
        for (String line : Files.readAllLines(
                Path.of(System.getProperty("evaudit.keys")))) {
            String[] words = line.split(" ");
            keys.put(words[0],
                new Key(words[1], words.length > 2 ? words[2] : null));
        }
        return keys;
    }

    /* The signature by SigV4, of a request whose query has these fields. */
    private static String sign(String host, TreeMap<String, String> query,
            String[] scope, Key key) throws Exception {
        List<String> fields = new ArrayList<>();
        for (Map.Entry<String, String> field : query.entrySet())
            fields.add(encode(field.getKey()) + "=" + encode(field.getValue()));
        String request = "GET\n/\n" + String.join("&", fields) + "\nhost:"
            + host + "\n\nhost\n" + EMPTY;
        String string = "AWS4-HMAC-SHA256\n" + query.get("X-Amz-Date") + "\n"
            + String.join("/", List.of(scope).subList(1, scope.length)) + "\n"
            + hex(sha256(request));
        byte[] derived = hmac(("AWS4" + key.secret())
            .getBytes(StandardCharsets.UTF_8), scope[1]);
        for (int i = 2; i < scope.length; i++)
            derived = hmac(derived, scope[i]);
        return hex(hmac(derived, string));
    }

    private static byte[] hmac(byte[] key, String data) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(data.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] sha256(String data) {
        try {
            return MessageDigest.getInstance("SHA-256")
                .digest(data.getBytes(StandardCharsets.UTF_8));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    private static String decode(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"),
            StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8)
            .replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }
}
