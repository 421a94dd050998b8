/**
 * TLS and the PROXY protocol in front of Holdfast and of HAProxy 2.6, from the same conf file: the same clients get the
 * same answers, and the same lines are logged. The certificates in test/fixtures/tls were made for this.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(90_000);
const skip = skipUnlessHaproxy('2.6');
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const pem = (name: string): Buffer => readFileSync(`${FOLDER}/${name}`);

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

const CONFIG = `global
    log stdout format raw local0
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
defaults
    mode http
    log global
    option httpslog
    retries 0
    timeout connect 5s
    timeout server 5s
    timeout client 5s
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem crt ${FOLDER}/b.pem alpn http/1.1
    bind 127.0.0.1:\${port2} ssl crt ${FOLDER}/a.pem strict-sni
    bind 127.0.0.1:\${port3} ssl crt ${FOLDER}/a.pem ca-file ${FOLDER}/client.pem verify required
    bind 127.0.0.1:\${port4} ssl crt ${FOLDER}/a.pem ca-file ${FOLDER}/client.pem verify optional
    http-request return status 200 content-type text/plain lf-string "%[ssl_fc] %[ssl_fc_sni] %[ssl_fc_protocol] %[ssl_fc_cipher] %[ssl_fc_alpn] %[ssl_fc_has_sni] %[ssl_fc_use_keysize] crt %[ssl_fc_has_crt] %[ssl_c_used] %[ssl_c_verify] %[ssl_c_s_dn] %[ssl_c_s_dn(cn)] %[ssl_c_i_dn(C)] %[ssl_c_serial,hex] %[ssl_c_sha1,hex] %[ssl_c_notbefore] %[ssl_c_notafter] %[ssl_c_key_alg]"
frontend p
    bind 127.0.0.1:\${port5} accept-proxy
    bind 127.0.0.1:\${port6} accept-proxy ssl crt ${FOLDER}/a.pem
    http-request return status 200 content-type text/plain lf-string "%[src] %[dst] %[dst_port] %[fc_pp_authority] %[fc_pp_unique_id] %[fc_rcvd_proxy] %[ssl_fc_sni]"
frontend e
    bind 127.0.0.1:\${port7}
    tcp-request connection expect-proxy layer4 if { src 127.0.0.1 }
    tcp-request session reject if { src 192.0.2.66 }
    http-request return status 200 content-type text/plain lf-string "%[src]"
listen v1
    bind 127.0.0.1:\${port8}
    server s 127.0.0.1:\${port5} send-proxy
listen v2
    bind 127.0.0.1:\${port9}
    server s 127.0.0.1:\${port6} send-proxy-v2 ssl verify required ca-file ${FOLDER}/a.pem sni str(a.example)
listen v3
    bind 127.0.0.1:\${port10}
    server s 127.0.0.1:\${port6} send-proxy-v2 ssl verify required ca-file ${FOLDER}/b.pem sni str(a.example)
listen v4
    bind 127.0.0.1:\${port11}
    server s 127.0.0.1:\${port6} send-proxy-v2 ssl verify required ca-file ${FOLDER}/a.pem verifyhost wrong.example
`;
const PORTS = 11;

/** What comes back on a socket, to its end; an error is one word, since alerts have many names. */
function talk(socket: net.Socket, chunks: readonly Buffer[]): Promise<string> {
	return new Promise((resolve) => {
		let text = '';
		const end = (word: string): void => {
			const body = text.split('\r\n\r\n').pop() ?? '';
			const status = /^HTTP\/1.1 (\d+)/.exec(text)?.[1];
			resolve(status === undefined ? word : status === '200' ? body : status);
		};
		for (const chunk of chunks) socket.write(chunk);
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
		});
		socket.on('error', () => end('refused'));
		socket.on('close', () => end('refused'));
	});
}

interface Client {
	readonly title: string;
	readonly port: number;
	readonly tls?: tls.ConnectionOptions;
	readonly first?: string;
}

const V2 = '\r\n\r\n\0\r\nQUIT\n';
const tlv = (type: number, value: string): string => `${String.fromCharCode(type, 0, value.length)}${value}`;
const FIELDS = tlv(2, 'auth.example') + tlv(5, 'uid-1');
const V2_HEADER = `${V2}\x21\x11\0${String.fromCharCode(12 + FIELDS.length)}\xc0\0\x02\x07\xc0\0\x02\x08\x10\0\x01\xbb${FIELDS}`;
const V1_HEADER = 'PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n';

const CLIENTS: readonly Client[] = [
	{ title: 'the exact name', port: 1, tls: { servername: 'a.example' } },
	{ title: 'another certificate', port: 1, tls: { servername: 'b.example' } },
	{ title: 'a wildcard, whatever the case', port: 1, tls: { servername: 'X.b.example' } },
	{ title: 'a wildcard is one label', port: 1, tls: { servername: 'x.y.b.example' } },
	{ title: 'an unknown name', port: 1, tls: { servername: 'c.example' } },
	{ title: 'no name', port: 1, tls: {} },
	{
		title: 'ALPN and TLS 1.2',
		port: 1,
		tls: { servername: 'a.example', ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' },
	},
	{
		title: 'too old',
		port: 1,
		tls: { servername: 'a.example', minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
	},
	{ title: 'strict-sni, a known name', port: 2, tls: { servername: 'a.example' } },
	{ title: 'strict-sni, an unknown name', port: 2, tls: { servername: 'b.example' } },
	{ title: 'strict-sni, no name', port: 2, tls: {} },
	{ title: 'verify required, none shown', port: 3, tls: { servername: 'a.example' } },
	{ title: 'verify required, a good one', port: 3, tls: { cert: pem('client.pem'), key: pem('client.pem') } },
	{ title: 'verify required, a stranger', port: 3, tls: { cert: pem('b.pem'), key: pem('b.pem') } },
	{ title: 'verify optional, none shown', port: 4, tls: {} },
	{ title: 'verify optional, a good one', port: 4, tls: { cert: pem('client.pem'), key: pem('client.pem') } },
	{ title: 'verify optional, a stranger', port: 4, tls: { cert: pem('b.pem'), key: pem('b.pem') } },
	{ title: 'no TLS at all', port: 1, first: REQUEST },
	{ title: 'PROXY 1', port: 5, first: V1_HEADER + REQUEST },
	{ title: 'PROXY 1, unknown', port: 5, first: `PROXY UNKNOWN\r\n${REQUEST}` },
	{ title: 'PROXY 2 with fields', port: 5, first: V2_HEADER + REQUEST },
	{ title: 'PROXY 2, local', port: 5, first: `${V2}\x20\0\0\0${REQUEST}` },
	{ title: 'no PROXY header', port: 5, first: REQUEST },
	{ title: 'expect-proxy', port: 7, first: V1_HEADER + REQUEST },
	{
		title: 'session rules see the real address',
		port: 7,
		first: V1_HEADER.replace('192.0.2.1 ', '192.0.2.66 ') + REQUEST,
	},
	{ title: 'send-proxy', port: 8, first: REQUEST },
	{ title: 'send-proxy-v2, TLS, a certificate that is good', port: 9, first: REQUEST },
	{ title: 'TLS to a server, another authority', port: 10, first: REQUEST },
	{ title: 'TLS to a server, another name', port: 11, first: REQUEST },
];

async function play(program: Program, client: Client): Promise<string> {
	const where = { host: '127.0.0.1', port: program.port(client.port) };
	if (client.tls === undefined) {
		const text = await talk(net.connect(where), [Buffer.from(client.first ?? '', 'latin1')]);
		return text.replace(/^127\.0\.0\.1 127\.0\.0\.1 \d+/, 'OWN');
	}
	const socket = tls.connect({ ...where, rejectUnauthorized: false, ...client.tls });
	let shown = '';
	socket.on('secureConnect', () => {
		shown = `${socket.getPeerCertificate().subject?.CN} ${socket.alpnProtocol}: `;
	});
	const text = await talk(socket, [Buffer.from(REQUEST)]);
	return text === 'refused' ? text : shown + text;
}

t.test('the same answers, the same lines', { skip }, async (t) => {
	const answers: Record<string, string[]> = {};
	const lines: Record<string, string[]> = {};
	for (const name of ['holdfast', 'haproxy'] as const) {
		const program = await startProgram(t, { config: CONFIG, ports: PORTS, program: name });
		const got: string[] = [];
		for (const client of CLIENTS) got.push(await play(program, client));
		answers[name] = got;
		// Every connection but the probes of the start has its line, and those of servers of our own another.
		await waitFor('the last lines', () => program.logLines.some((line) => / v4 .* 503 /.test(line)));
		lines[name] = program.logLines
			.filter((line) => / f~ /.test(line))
			.map((line) =>
				line
					.replace(/^\S+ \[\S+\]/, 'CLIENT')
					.replace(/ -?\d+\/-?\d+\/-?\d+\/-?\d+\/-?\d+ /, ' T ')
					.replace(/ \d+\/\d+\/\d+\/\d+\/\d+ 0\/0/, ' C'),
			);
		await program.stop();
	}
	for (const [index, { title }] of CLIENTS.entries()) {
		t.equal(answers.holdfast?.[index], answers.haproxy?.[index], title);
	}
	t.same(lines.holdfast, lines.haproxy, 'httpslog');
});

t.test('sessions are resumed, by clients and towards servers', async (t) => {
	const config = `global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 5s
    timeout server 5s
    timeout client 5s
    http-reuse never
frontend front
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem
    log-format "front %[ssl_fc_is_resumed]"
    default_backend b
backend b
    server s 127.0.0.1:\${port2} ssl verify none
frontend origin
    bind 127.0.0.1:\${port2} ssl crt ${FOLDER}/a.pem
    log-format "origin %[ssl_fc_is_resumed]"
    http-request return status 200 content-type text/plain string x
`;
	const program = await startProgram(t, { config, ports: 2 });
	let session: Buffer | undefined;
	for (let round = 0; round < 2; round++) {
		const socket = tls.connect({
			host: '127.0.0.1',
			port: program.port(1),
			rejectUnauthorized: false,
			...(session === undefined ? {} : { session }),
		});
		socket.on('session', (given) => {
			session = given;
		});
		t.equal(await talk(socket, [Buffer.from(REQUEST)]), 'x');
	}
	const lines = await program.logged(4);
	t.same(
		lines.filter((line) => line.startsWith('front')),
		['front 0', 'front 1'],
	);
	// Two data threads may have a session each; one thread has resumed its own.
	t.ok(lines.filter((line) => line.startsWith('origin')).length === 2, lines.join());
});
