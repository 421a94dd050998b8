/**
 * How connections begin, in Holdfast and in HAProxy 2.6 from the same conf file: the PROXY protocol's fields about the
 * client, a SOCKS4 proxy on the way, and what rules see of a client's TLS hello.
 *
 * One difference is meant: where every form of `send-proxy` is taken back, HAProxy sends a header as long as an option of
 * it is left, and Holdfast none, as the words say.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readProxyHeader } from '../../lib/core/proxy-protocol.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(120_000);
const skip = skipUnlessHaproxy('2.6');
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const CERTIFICATE = readFileSync(`${FOLDER}/clients/good.pem`);

const OPTIONS = [
	'send-proxy',
	'send-proxy-v2',
	'send-proxy-v2-ssl',
	'send-proxy-v2-ssl-cn',
	'send-proxy send-proxy-v2',
	'send-proxy-v2 proxy-v2-options ssl-cipher',
	'send-proxy-v2 proxy-v2-options cert-sig',
	'send-proxy-v2 proxy-v2-options cert-key,cert-cn',
	'send-proxy-v2 proxy-v2-options authority',
	'send-proxy-v2 proxy-v2-options crc32c',
	'send-proxy-v2 proxy-v2-options unique-id',
	'send-proxy-v2-ssl-cn proxy-v2-options ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id',
	'send-proxy-v2-ssl no-send-proxy-v2-ssl',
	'send-proxy send-proxy-v2 no-send-proxy-v2',
	'send-proxy send-proxy-v2 no-send-proxy',
];
const FIRST_SOCKS = 2 * OPTIONS.length + 1;
const PORTS = FIRST_SOCKS + 2;

/** A server that keeps what comes, until the word that the client ends with. */
async function sink(t: Teardown): Promise<{ port: number; wait: (word: string) => Promise<Buffer> }> {
	const waiting = new Map<string, (bytes: Buffer) => void>();
	const server = net.createServer((socket) => {
		let bytes = Buffer.alloc(0);
		socket.on('error', () => undefined);
		socket.on('end', () => socket.destroy());
		socket.on('data', (chunk) => {
			bytes = Buffer.concat([bytes, chunk]);
			const word = /<(\d+)>$/.exec(bytes.toString('latin1'))?.[1];
			if (word !== undefined) waiting.get(word)?.(bytes);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void server.close());
	const { port } = server.address() as net.AddressInfo;
	return { port, wait: (word) => new Promise((resolve) => waiting.set(word, resolve)) };
}

/** A SOCKS4 proxy that connects to where it is asked to, and tells where that was. */
async function socks(t: Teardown, asked: string[]): Promise<number> {
	const server = net.createServer((socket) => {
		socket.on('error', () => undefined);
		socket.once('data', (request) => {
			asked.push(`${request[0]} ${request[1]} ${request.readUInt16BE(2) > 0} ${[...request.subarray(4, 8)].join('.')}`);
			const onward = net.connect(request.readUInt16BE(2), '127.0.0.1', () => {
				socket.write(Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]));
				socket.pipe(onward).pipe(socket);
			});
			onward.on('error', () => socket.destroy());
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void server.close());
	return (server.address() as net.AddressInfo).port;
}

const config = (sinkPort: number, socksPort: number): string => `defaults
    mode tcp
    timeout connect 5s
    timeout server 5s
    timeout client 5s
${OPTIONS.map(
	(options, index) => `frontend f${index}
    bind 127.0.0.1:\${port${2 * index + 1}} ssl crt ${FOLDER}/a.pem ca-file ${FOLDER}/clients/root.pem verify optional ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-AES128-GCM-SHA256
    bind 127.0.0.1:\${port${2 * index + 2}}
    unique-id-format uid-%[dst_port,mul(0)]
    default_backend b${index}
backend b${index}
    server s 127.0.0.1:${sinkPort} ${options}`,
).join('\n')}
listen clear
    bind 127.0.0.1:\${port${FIRST_SOCKS}}
    server s 127.0.0.1:${sinkPort} socks4 127.0.0.1:${socksPort} send-proxy
listen secure
    bind 127.0.0.1:\${port${FIRST_SOCKS + 1}}
    mode http
    server s 127.0.0.1:\${port${FIRST_SOCKS + 2}} ssl verify none socks4 127.0.0.1:${socksPort} check check-via-socks4
frontend origin
    bind 127.0.0.1:\${port${FIRST_SOCKS + 2}} ssl crt ${FOLDER}/a.pem
    mode http
    http-request return status 200 content-type text/plain string "from the origin"
`;

/** What does not differ from one run to another. */
function shown(bytes: Buffer): string {
	const header = readProxyHeader(bytes);
	if (typeof header === 'string' || 'malformed' in header) return bytes.toString('latin1').replace(/<\d+>/, '');
	const { version, endpoints, fields } = header;
	const list = [...fields].map(
		([type, value]) => `${type}=${type === 3 ? 'a checksum that fits' : value.toString('latin1')}`,
	);
	return `v${version} ${endpoints?.source} ${endpoints?.destination} ${list.join(', ')}`;
}

let lastWord = 0;

async function play(t: Teardown, name: 'holdfast' | 'haproxy'): Promise<Record<string, unknown>> {
	const asked: string[] = [];
	const [server, socksPort] = [await sink(t), await socks(t, asked)];
	const program = await startProgram(t, { config: config(server.port, socksPort), ports: PORTS, program: name });
	await waitFor('the last line to be listened on', () => accepts(program.port(PORTS)));
	const found: Record<string, unknown> = {};
	for (const [index, options] of OPTIONS.entries()) {
		const secure = { host: '127.0.0.1', port: program.port(2 * index + 1), rejectUnauthorized: false };
		found[`${options}, in clear`] = await talk(server.wait, () =>
			net.connect(program.port(2 * index + 2), '127.0.0.1'),
		);
		found[`${options}, without a certificate`] = await talk(server.wait, () =>
			tls.connect({ ...secure, servername: 'a.example' }),
		);
		found[`${options}, with one`] = await talk(server.wait, () =>
			tls.connect({ ...secure, cert: CERTIFICATE, key: CERTIFICATE }),
		);
	}
	found['by SOCKS4'] = await talk(server.wait, () => net.connect(program.port(FIRST_SOCKS), '127.0.0.1'));
	found['by SOCKS4, with TLS'] = await request(program, FIRST_SOCKS + 1);
	found.asked = [...new Set(asked)];
	return found;
}

/** Says a word, and what has come to the server in front of it. */
async function talk(wait: (word: string) => Promise<Buffer>, connect: () => net.Socket): Promise<string> {
	const word = String(++lastWord);
	const come = wait(word);
	const socket = connect();
	socket.on('error', () => undefined);
	socket.write(`<${word}>`);
	const bytes = await come;
	socket.destroy();
	return shown(bytes);
}

function request(program: Program, port: number): Promise<string> {
	return new Promise((resolve) => {
		let text = '';
		const socket = net.connect(program.port(port), '127.0.0.1');
		socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
		});
		socket.on('error', () => undefined);
		socket.on('close', () => resolve(text.split('\r\n\r\n')[1] ?? text));
	});
}

t.test('the PROXY protocol and SOCKS4 towards servers', { skip }, async (t) => {
	t.strictSame(await play(t, 'holdfast'), await play(t, 'haproxy'));
});

const HELLO_FETCHES = [
	...['ssl_fc_cipherlist_bin,hex', 'ssl_fc_cipherlist_bin(1),hex', 'ssl_fc_cipherlist_hex', 'ssl_fc_cipherlist_str'],
	...['ssl_fc_cipherlist_xxh', 'ssl_fc_ecformats_bin,hex', 'ssl_fc_eclist_bin(1),hex', 'ssl_fc_extlist_bin,hex'],
	...['ssl_fc_protocol_hello_id', 'ssl_fc_client_random,hex,length', 'ssl_fc_client_traffic_secret_0,length'],
	...['ssl_fc_server_handshake_traffic_secret,length', 'ssl_fc_exporter_secret,length'],
	'ssl_fc_early_exporter_secret,length',
];

const helloConfig = (bytes: number): string => `global
    tune.ssl.capture-buffer-size ${bytes}
    tune.ssl.keylog on
defaults
    mode http
    timeout connect 5s
    timeout server 5s
    timeout client 5s
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem ciphersuites TLS_AES_128_GCM_SHA256
    http-request return status 200 content-type text/plain lf-string "${HELLO_FETCHES.map((fetch) => `%[${fetch}]`).join(' ')}"
`;

function askHello(program: Program, maxVersion: tls.SecureVersion): Promise<string> {
	return new Promise((resolve) => {
		let text = '';
		const where = { host: '127.0.0.1', port: program.port(1), rejectUnauthorized: false, maxVersion };
		const ciphers = 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA';
		const socket = tls.connect({ ...where, ciphers, ecdhCurve: 'X25519:P-256' }, () =>
			socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
		);
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
		});
		socket.on('error', (error) => resolve(error.message));
		socket.on('close', () => resolve(text.split('\r\n\r\n')[1] ?? text));
	});
}

for (const bytes of [1000, 10, 0]) {
	t.test(`the client's hello, ${bytes} bytes of it kept`, { skip }, async (t) => {
		const [holdfast, haproxy] = await Promise.all(
			(['holdfast', 'haproxy'] as const).map((program) =>
				startProgram(t, { config: helloConfig(bytes), ports: 1, program }),
			),
		);
		for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
			const found = await askHello(holdfast as Program, version);
			t.equal(found, await askHello(haproxy as Program, version), version);
			if (bytes === 1000) t.match(found, /ECDHE-ECDSA-AES128-GCM-SHA256,AES128-SHA/);
		}
	});
}
