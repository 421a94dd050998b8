/**
 * How long one head takes, for three kinds of client:
 * `npx tsx test/bench/head-parser.ts`. A few seconds; processor time, so that a busy machine counts little.
 */
import { DEFAULT_HEAD_LIMITS, parseRequestHead, parseResponseHead } from '../../lib/http/head-parser.js';
import { RequestHead, ResponseHead } from '../../lib/http/message.js';
import { serializeRequest, serializeResponse } from '../../lib/http/serializer.js';

const SMALL = 'GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n';
const CURL = 'GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n';
const BROWSER = [
	'GET /articles/2024/06/a-title-of-some-length?utm_source=feed&page=2 HTTP/1.1',
	'Host: www.example.com',
	'Connection: keep-alive',
	'sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"',
	'sec-ch-ua-mobile: ?0',
	'sec-ch-ua-platform: "Linux"',
	'Upgrade-Insecure-Requests: 1',
	'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36',
	'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
	'Sec-Fetch-Site: same-origin',
	'Sec-Fetch-Mode: navigate',
	'Referer: https://www.example.com/articles/',
	'Accept-Encoding: gzip, deflate, br, zstd',
	'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
	`Cookie: session=${'0123456789abcdef'.repeat(8)}; theme=dark`,
	'\r\n',
].join('\r\n');
const RESPONSE =
	'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 03 Jun 2024 10:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n';

function measure(name: string, work: () => unknown): void {
	for (let i = 0; i < 50_000; i++) work();
	const rounds: number[] = [];
	for (let round = 0; round < 5; round++) {
		const began = process.cpuUsage().user;
		for (let i = 0; i < 100_000; i++) work();
		rounds.push((process.cpuUsage().user - began) / 100);
	}
	console.log(
		`${name.padEnd(36)} ${Math.min(...rounds)
			.toFixed(0)
			.padStart(6)} ns`,
	);
}

// From a buffer each time, as from a socket: the latin1 string is part of the price.
for (const [name, text] of [
	['small', SMALL],
	['curl', CURL],
	['browser', BROWSER],
] as const) {
	const bytes = Buffer.from(text, 'latin1');
	measure(`request, ${name} (${bytes.length} bytes)`, () =>
		parseRequestHead(bytes.toString('latin1'), DEFAULT_HEAD_LIMITS),
	);
}
// Fields never seen before: what the first request of each client costs.
const fresh = Array.from({ length: 2000 }, (_, i) =>
	Buffer.from(BROWSER.replace('theme=dark', `theme=${i}`), 'latin1'),
);
let next = 0;
measure('request, browser, new fields', () =>
	parseRequestHead((fresh[next++ % fresh.length] as Buffer).toString('latin1'), DEFAULT_HEAD_LIMITS),
);
const responseBytes = Buffer.from(RESPONSE, 'latin1');
measure(`response (${responseBytes.length} bytes)`, () =>
	parseResponseHead(responseBytes.toString('latin1'), DEFAULT_HEAD_LIMITS),
);
const request = parseRequestHead(BROWSER, DEFAULT_HEAD_LIMITS);
if (request instanceof RequestHead) {
	const out = Buffer.alloc(4096);
	measure('serialize browser request', () => out.write(serializeRequest(request, { close: false }), 'latin1'));
}
const response = parseResponseHead(RESPONSE, DEFAULT_HEAD_LIMITS);
if (response instanceof ResponseHead) {
	const out = Buffer.alloc(4096);
	measure('serialize response', () =>
		out.write(serializeResponse(response, { keepAlive: false, close: false, dechunk: false }), 'latin1'),
	);
}
