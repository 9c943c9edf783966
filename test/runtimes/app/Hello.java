// What most Java programs load, and a little use of each.
import java.net.InetAddress;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.ZoneId;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class Hello {
  public static void main(String[] args) throws Exception {
    var pool = Executors.newFixedThreadPool(2);
    var hash = pool.submit(() -> MessageDigest.getInstance("SHA-256").digest("x".getBytes())[0]).get();
    pool.shutdown();
    new SecureRandom().nextInt();
    SSLContext.getDefault().createSSLEngine();
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init((java.security.KeyStore) null);
    var roots = ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers().length;
    System.out.println("java: " + hash + " " + (roots > 50) + " " + ZoneId.systemDefault() + " " + InetAddress.getByName("127.0.0.1").getHostAddress() + " "
        + (Runtime.getRuntime().availableProcessors() > 0));
  }
}
