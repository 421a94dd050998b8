/**
 * The origin of the benchmarks where nginx is not installed: answers `GET /<bytes>` on keep-alive connections
 * without looking at more than it must. Arguments: the port, then the sizes it knows.
 */
import net from 'node:net';

const [port, ...sizes] = process.argv.slice(2).map(Number);
const answers = new Map(
	sizes.map((size) => [
		`GET /${size} `,
		Buffer.from(
			`HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
		),
	]),
);

net
	.createServer((socket) => {
		let text = '';
		socket.setNoDelay(true);
		socket.on('error', () => socket.destroy());
		socket.on('data', (bytes) => {
			text += bytes.toString('latin1');
			for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
				const closes = /^connection: *close/im.test(text.slice(0, end));
				const answer = answers.get(text.slice(0, text.indexOf(' ', 4) + 1));
				text = text.slice(end + 4);
				socket.write(answer ?? 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
				if (closes) socket.end();
			}
		});
	})
	.listen(port, '127.0.0.1');
