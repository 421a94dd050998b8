/**
 * Memory of idle client connections: each has had one answer and is kept open. What is counted is the resident
 * memory of all the proxy's processes, with what it took before the first connection.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../fixtures/ports.js';
import type { RunningProgram } from './programs.js';
import { contenders, startOrigin } from './proxies.js';

/** The promise: ten thousand in at most so many bytes. */
const LIMIT_BYTES = 200e6;
const LIMIT_CONNECTIONS = 10_000;
/** Opened at a time. */
const BATCH = 200;
/** Time for the system to give back what the burst of opening took. */
const SETTLE_MS = 3000;

export async function measureIdle(connectionCount: number, note: (line: string) => void): Promise<void> {
	note('');
	note(`${connectionCount} idle connections, each after one answer`);
	note(`  ${'proxy'.padEnd(13)}${'before MB'.padStart(11)}${'with them MB'.padStart(14)}${'bytes each'.padStart(12)}`);
	const wanted = contenders((what) => note(`  skipped: ${what}`)).filter(({ name }) => name !== 'nginx');
	const [originPort = 0, ...ports] = await freePorts(wanted.length + 1);
	const origin = await startOrigin(originPort);
	try {
		for (const [index, contender] of wanted.entries()) {
			const proxy = await contender.start({ plain: ports[index] as number, origin: originPort });
			try {
				await measure(proxy, connectionCount, note);
			} finally {
				await proxy.stop();
			}
		}
	} finally {
		await origin.stop();
	}
}

async function measure(proxy: RunningProgram, connectionCount: number, note: (line: string) => void): Promise<void> {
	const sockets: net.Socket[] = [];
	try {
		sockets.push(await openAndAsk(proxy.port));
		await delay(SETTLE_MS);
		const before = proxy.memoryBytes();
		while (sockets.length <= connectionCount) {
			const count = Math.min(BATCH, connectionCount + 1 - sockets.length);
			sockets.push(...(await Promise.all(Array.from({ length: count }, () => openAndAsk(proxy.port)))));
		}
		await delay(SETTLE_MS);
		const after = proxy.memoryBytes();
		const open = sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
		if (open !== sockets.length) note(`  ${proxy.name}: only ${open} of ${sockets.length} connections are still open`);
		const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
		note(
			`  ${proxy.name.padEnd(13)}${megabytes(before).padStart(11)}${megabytes(after).padStart(14)}${((after - before) / connectionCount).toFixed(0).padStart(12)}`,
		);
		if (proxy.name === 'holdfast' && connectionCount === LIMIT_CONNECTIONS) {
			note(
				`  holdfast, all of its processes: at most ${LIMIT_BYTES / 1e6} MB: ${after <= LIMIT_BYTES ? 'reached' : 'missed'}`,
			);
		}
	} finally {
		for (const socket of sockets) socket.destroy();
	}
}

function openAndAsk(port: number): Promise<net.Socket> {
	return new Promise((resolve, reject) => {
		const socket = net.connect(port, '127.0.0.1', () => socket.write('GET /12 HTTP/1.1\r\nHost: bench\r\n\r\n'));
		let text = '';
		socket.once('error', reject);
		socket.on('data', (bytes) => {
			text += bytes.toString('latin1');
			if (text.includes('\r\n\r\nxxxxxxxxxxxx')) resolve(socket);
		});
		socket.once('close', () => reject(new Error(`a connection to port ${port} closed: ${text}`)));
	});
}
