/** `h1-case-adjust`: only where the option of that side stands, byte for byte; HAProxy 2.6 sends the same names. */
import t from 'tap';
import { startHarness } from '../fixtures/proxy-harness.js';
import { exchangeOnce, startOrigin } from '../fixtures/raw-http.js';

t.test('each side has its option', async (t) => {
	const heads: string[] = [];
	const origin = await startOrigin((request) => {
		heads.push(request.head);
		request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-answer: yes\r\n\r\nok');
	});
	t.teardown(() => origin.close());
	const harness = await startHarness(`
global
	h1-case-adjust content-length Content-Length
	h1-case-adjust x-answer X-aNSWER
	h1-case-adjust x-back X-Back
defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 5s
frontend bogus
	bind 127.0.0.1:0
	option h1-case-adjust-bogus-client
	http-request return status 200 content-type text/plain string own if { path /own }
	default_backend plain
frontend good
	bind 127.0.0.1:0
	default_backend bogus
backend plain
	http-request set-header x-back x-back
	server s 127.0.0.1:${origin.port}
backend bogus
	option h1-case-adjust-bogus-server
	http-request set-header x-back x-back
	server s 127.0.0.1:${origin.port}
`);
	t.teardown(() => harness.close());
	const request = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`;
	const adjusted = await exchangeOnce(harness.port('bogus'), request('/'));
	t.match(adjusted, /\r\nContent-Length: 2\r\n/);
	t.match(adjusted, /\r\nX-aNSWER: yes\r\n/);
	t.match(await exchangeOnce(harness.port('bogus'), request('/own')), /\r\nContent-Length: 3\r\n/);
	t.match(heads[0], /\r\nx-back: x-back\r\n/);
	t.match(await exchangeOnce(harness.port('good'), request('/')), /\r\nx-answer: yes\r\n/);
	t.match(heads[1], /\r\nX-Back: x-back\r\n/);
});

t.test('lines that are refused', async (t) => {
	const start = (line: string): Promise<unknown> => startHarness(`global\n\t${line}\n`);
	await t.rejects(start('h1-case-adjust host'), /expects <from> and <to>/);
	await t.rejects(start('h1-case-adjust Host Host'), /must be in lower case/);
	await t.rejects(start('h1-case-adjust host Hosts'), /must not differ except the case/);
	await t.rejects(start('h1-case-adjust host Host\n\th1-case-adjust host HOST'), /duplicate entry 'host'/);
	await t.rejects(start('h1-case-adjust-file /nowhere'), /cannot read file '\/nowhere'/);
});
