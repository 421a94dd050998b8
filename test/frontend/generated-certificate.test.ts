/** Certificates made for a name: read back by OpenSSL by way of Node, and used in a handshake whose client trusts the authority. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CertificateGenerator } from '../../lib/frontend/generated-certificate.js';
import { extensionsOf, subjectBytes } from '../../lib/sample/certificate.js';

const file = (name: string): string =>
	readFileSync(fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url)), 'latin1');
const AUTHORITY = file('clients/authority.pem');
const KEY = file('a.pem');
const NOW_MS = Date.parse('2026-11-23T12:00:00Z');

t.test('what stands in it', async (t) => {
	const generator = new CertificateGenerator(AUTHORITY, undefined, KEY);
	const made = new X509Certificate(generator.generate('WWW.Made.example', NOW_MS) ?? '');
	const authority = new X509Certificate(AUTHORITY);
	t.ok(made.verify(authority.publicKey), 'signed by the authority');
	t.ok(made.checkIssued(authority), 'and says so');
	t.equal(made.subject, 'CN=www.made.example');
	t.equal(made.subjectAltName, 'DNS:www.made.example');
	t.equal(made.checkHost('www.made.example'), 'www.made.example');
	t.equal(made.ca, false);
	t.equal(made.validFrom, 'Nov 22 12:00:00 2026 GMT');
	t.equal(made.validTo, 'Nov 23 12:00:00 2027 GMT');
	t.ok(made.publicKey.equals(new X509Certificate(KEY).publicKey), 'for the key that is there');
	t.match(subjectBytes(authority)?.toString('latin1'), /Clients Root$/);
	t.equal(extensionsOf(made)?.filter(({ isCritical }) => isCritical).length, 2);
	const again = new X509Certificate(generator.generate('www.made.example', NOW_MS) ?? '');
	t.not(again.serialNumber, made.serialNumber, 'a number of its own');
	t.match(new X509Certificate(generator.generate('late.example', Date.parse('2050-01-02')) ?? '').validTo, /2051/);
});

t.test('names', async (t) => {
	const generator = new CertificateGenerator(AUTHORITY, undefined, KEY);
	for (const name of ['', '.', 'a..b', '*.example', 'a b', 'a\0b', `${'a'.repeat(64)}.example`, 'ä.example']) {
		t.equal(generator.generate(name), undefined, JSON.stringify(name));
	}
	const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`;
	const made = new X509Certificate(generator.generate(long) ?? '');
	t.equal(made.checkHost(long), long, 'too long for a common name');
	t.equal(made.subject || undefined, undefined);
});

t.test('a client that trusts the authority trusts it', async (t) => {
	const pem = new CertificateGenerator(AUTHORITY, undefined, KEY).generate('made.example');
	const server = tls.createServer({ cert: pem, key: KEY }, (socket) => socket.end('hello'));
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void server.close());
	const { port } = server.address() as net.AddressInfo;
	const socket = tls.connect({ port, host: '127.0.0.1', servername: 'made.example', ca: file('clients/root.pem') });
	await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
	t.equal(socket.authorized, true);
	socket.destroy();
});

t.test('kinds of authorities, and what is none', async (t) => {
	const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
	t.throws(() => new CertificateGenerator('nothing', undefined, KEY), /ca-sign-file/);
	t.throws(() => new CertificateGenerator(file('clients/root.pem'), undefined, KEY), /ca-sign-file/, 'without a key');
	t.throws(
		() => new CertificateGenerator(`${file('clients/root.pem')}\n${rsa}`, undefined, KEY),
		/its key is not that of its certificate/,
	);
});
