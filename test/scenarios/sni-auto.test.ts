/** `sni-auto` (servers): the name told to the server is that of the request's host, without its port. */
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(60_000);
const PEM = fileURLToPath(new URL('../fixtures/tls/a.pem', import.meta.url));

const CONFIG = `defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen with
    bind 127.0.0.1:\${port1}
    http-reuse never
    server s 127.0.0.1:\${port4} ssl verify none sni-auto
listen without
    bind 127.0.0.1:\${port2}
    http-reuse never
    server s 127.0.0.1:\${port4} ssl verify none
listen own
    bind 127.0.0.1:\${port3}
    http-reuse never
    server s 127.0.0.1:\${port4} ssl verify none sni str(own.example)
frontend inner
    bind 127.0.0.1:\${port4} ssl crt ${PEM}
    http-request return status 200 content-type text/plain lf-string "name <%[ssl_fc_sni]>"
`;

function nameTold(program: Program, index: number, host: string): Promise<string> {
	return new Promise((resolve, reject) => {
		let text = '';
		const socket = net.connect(program.port(index), '127.0.0.1', () =>
			socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`),
		);
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
		});
		socket.on('error', reject);
		socket.on('close', () => resolve(/name <(.*)>/.exec(text)?.[1] ?? text));
	});
}

t.test('the name that the server is told', async (t) => {
	const program = await startProgram(t, { config: CONFIG, ports: 4 });
	await waitFor('the inner listener', () => accepts(program.port(4)));
	t.equal(await nameTold(program, 1, 'www.example'), 'www.example');
	t.equal(await nameTold(program, 1, 'shop.example:8443'), 'shop.example', 'its port is left out');
	t.match(await nameTold(program, 2, 'www.example'), /^-?$/, 'none is told without the option');
	t.equal(await nameTold(program, 3, 'www.example'), 'own.example');
});
