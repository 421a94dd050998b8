/** Memory stays flat, however large an answer and however slow its reader. */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import t from 'tap';
import { ENGINES, engineDefaults } from '../fixtures/engines.js';
import { startProgram } from '../fixtures/program.js';

t.setTimeout(110_000);

const skip = process.platform === 'linux' ? false : 'memory is read from /proc';

/** Of 200 MB. Node's streams leave buffers to the garbage collector, which takes its time; ours reuse them. */
const BOUND_MB = { native: 30, node: 90 } as const;

/** Resident memory of a process, in bytes. */
function residentBytes(pid: number): number {
	const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
	return Number(kilobytes) * 1024;
}

for (const engine of ENGINES) {
	t.test(`${engine}: memory stays flat while a slow client reads a large answer`, { skip }, async (t) => {
		const SIZE = 200 * 1024 * 1024;
		const piece = Buffer.alloc(64 * 1024, 'x');
		const origin = http.createServer((_, response) => {
			response.writeHead(200, { 'content-length': SIZE });
			let left = SIZE;
			const pump = (): void => {
				while (left > 0) {
					left -= piece.length;
					if (!response.write(piece)) {
						response.once('drain', pump);
						return;
					}
				}
				response.end();
			};
			pump();
		});
		await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
		t.teardown(() => {
			origin.closeAllConnections();
			origin.close();
		});
		const program = await startProgram(t, {
			ports: 1,
			config: `${engineDefaults(engine)}
frontend f
  bind 127.0.0.1:\${port1}
  default_backend b
backend b
  server s 127.0.0.1:${(origin.address() as net.AddressInfo).port}
`,
		});
		// The worker's memory: the master only keeps sockets.
		const [pid] = program.workers;
		if (pid === undefined) throw new Error('the program has no worker');
		const before = residentBytes(pid);
		let received = 0;
		let highest = 0;
		await new Promise<void>((resolve, reject) => {
			const socket = net.connect({ port: program.port(), host: '127.0.0.1' });
			socket.on('error', reject);
			socket.on('close', resolve);
			socket.write('GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
			socket.on('data', (data) => {
				const fullBefore = Math.floor(received / (8 * 1024 * 1024));
				received += data.length;
				// Every 8 MB the reader rests; not behind the end, when the program may be gone already.
				if (Math.floor(received / (8 * 1024 * 1024)) === fullBefore || received >= SIZE) return;
				socket.pause();
				setTimeout(() => {
					highest = Math.max(highest, residentBytes(pid));
					socket.resume();
				}, 40);
			});
		});
		t.ok(received > SIZE, 'all of it came');
		const grown = Math.round((highest - before) / (1024 * 1024));
		t.ok(grown < BOUND_MB[engine], `resident memory grew by ${grown} MB`);
	});
}
