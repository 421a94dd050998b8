/**
 * A real partition: three nodes in network namespaces of their own, joined for their peers by a bridge and for their
 * clients by another, so that a node can be cut off from the others by taking its peer interface off the bridge while
 * clients go on at all three. After the healing and quiet every node must tell of every client the number of answers
 * it got. Linux, root and `ip` (iproute2) only; the suite has a shorter one with links of its own.
 */
import { execFileSync } from 'node:child_process';
import { MeshClients, meshConfig, type Place } from '../fixtures/mesh.js';
import { HOLDFAST } from '../fixtures/program.js';
import { findProgram, LOAD_CORE, PROXY_CORE, type RunningProgram, start } from './programs.js';

const NAMES = ['lb1', 'lb2', 'lb3'] as const;
const HTTP_PORT = 8080;
const PEERS_PORT = 1024;
const CLIENTS = 12;

/** Of this process, so that two runs do not meet. Names of interfaces have at most 15 letters. */
const ID = `hf${process.pid}`;
const namespaceOf = (index: number): string => `${ID}n${index}`;
const PEER_BRIDGE = `${ID}p`;
const CLIENT_BRIDGE = `${ID}c`;
/** Two of the blocks that are for benchmarks of network devices (RFC 2544). */
const peerAddress = (index: number): string => `198.18.7.${index + 1}`;
const clientAddress = (index: number): string => `198.19.7.${index + 1}`;
const GATEWAY = '198.19.7.254';

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

function connect(index: number, bridge: string, kind: 'p' | 'c', address: string): string {
	const outside = `${bridge}${index}`;
	ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', kind, 'netns', namespaceOf(index));
	ip('link', 'set', outside, 'master', bridge, 'up');
	ip('-n', namespaceOf(index), 'addr', 'add', `${address}/24`, 'dev', kind);
	ip('-n', namespaceOf(index), 'link', 'set', kind, 'up');
	return outside;
}

function tearDown(): void {
	for (const undo of [
		...NAMES.map((_, index) => ['netns', 'del', namespaceOf(index)]),
		['link', 'del', PEER_BRIDGE],
		['link', 'del', CLIENT_BRIDGE],
	]) {
		try {
			ip(...undo);
		} catch {
			// It was not made.
		}
	}
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function measurePartition(seconds: number, note: (line: string) => void): Promise<void> {
	if (findProgram('ip') === undefined || process.getuid?.() !== 0) {
		note('skipped: needs root and ip (iproute2)');
		return;
	}
	const programs: RunningProgram[] = [];
	const clients = new MeshClients();
	try {
		for (const bridge of [PEER_BRIDGE, CLIENT_BRIDGE]) {
			ip('link', 'add', bridge, 'type', 'bridge');
			ip('link', 'set', bridge, 'up');
		}
		ip('addr', 'add', `${GATEWAY}/24`, 'dev', CLIENT_BRIDGE);
		const peerInterfaces = NAMES.map((_, index) => {
			ip('netns', 'add', namespaceOf(index));
			ip('-n', namespaceOf(index), 'link', 'set', 'lo', 'up');
			connect(index, CLIENT_BRIDGE, 'c', clientAddress(index));
			return connect(index, PEER_BRIDGE, 'p', peerAddress(index));
		});
		const nodes = NAMES.map((name, index) => ({ name, address: `${peerAddress(index)}:${PEERS_PORT}` }));
		for (const [index, name] of NAMES.entries()) {
			programs.push(
				await start({
					name,
					host: clientAddress(index),
					port: HTTP_PORT,
					core: index % 2 === 0 ? PROXY_CORE : LOAD_CORE,
					files: (folder) => ({
						'mesh.cfg': meshConfig(name, `${clientAddress(index)}:${HTTP_PORT}`, nodes).replaceAll('${dir}', folder),
					}),
					command: (folder) => [
						...['ip', 'netns', 'exec', namespaceOf(index)],
						...[process.execPath, HOLDFAST, '-db', '-f', `${folder}/mesh.cfg`],
					],
				}),
			);
		}
		const places: Place[] = NAMES.map((_, index) => ({ host: clientAddress(index), port: HTTP_PORT }));
		clients.start(places, CLIENTS);
		for (const [index, place] of places.entries()) {
			await clients.isKnown(
				place,
				places.filter((_, other) => other !== index),
			);
		}
		await sleep(2000);
		ip('link', 'set', peerInterfaces[2]!, 'nomaster');
		const before = clients.total;
		await sleep(seconds * 1000);
		const during = clients.total - before;
		const wrong = await Promise.all(places.map((place) => clients.differences(place)));
		ip('link', 'set', peerInterfaces[2]!, 'master', PEER_BRIDGE);
		await sleep(2000);
		await clients.stop();
		const healedMs = performance.now();
		const left = await Promise.all(places.map((place) => clients.settled(place)));
		note(
			`${NAMES[2]} cut off for ${seconds} s, ${during} of ${clients.total} requests meanwhile; sums that were behind then: ${wrong.map(({ length }, index) => `${NAMES[index]} ${length}`).join(', ')} of ${clients.answered.size}`,
		);
		note(`quiet 2 s after the healing: all sums exact ${((performance.now() - healedMs) / 1000).toFixed(1)} s later`);
		for (const [index, differences] of left.entries()) {
			if (differences.length > 0) throw new Error(`${NAMES[index]} is wrong: ${differences.slice(0, 5).join('; ')}`);
		}
		note(`exact on all nodes for all ${clients.answered.size} clients`);
	} finally {
		await clients.stop();
		await Promise.all(programs.map((program) => program.stop()));
		tearDown();
	}
}
