/**
 * What befalls a mesh that sums while clients go on: each node in turn is killed and comes back, and a node is cut off
 * for longer than its sessions last, counts on alone, and is joined again. When the clients have stopped, every node
 * tells of every client the number of answers that client got.
 *
 * A node that is to be killed gets no requests for the moment before, as behind a balancer that drains it: what it had
 * answered and not yet told dies with it, and rightly.
 */
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Link } from '../fixtures/link.js';
import { MeshClients, meshConfig, type Place } from '../fixtures/mesh.js';
import { accepts, freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const NAMES = ['lb1', 'lb2', 'lb3'] as const;

t.jobs = 2;

t.test('each of three nodes is killed and comes back under load', { buffered: true }, async (t) => {
	const peers = await freePorts(3);
	const addresses = NAMES.map((name, index) => ({ name, address: `127.0.0.1:${peers[index]}` }));
	const start = (index: number, usePorts?: readonly number[]): Promise<Program> =>
		startProgram(t, {
			config: meshConfig(NAMES[index]!, '127.0.0.1:${port1}', addresses),
			ports: 1,
			...(usePorts === undefined ? {} : { usePorts }),
			args: ['-W', '-db'],
		});
	const nodes = await Promise.all(NAMES.map((_, index) => start(index)));
	const places: Place[] = nodes.map((node) => ({ host: '127.0.0.1', port: node.port() }));
	const clients = new MeshClients();
	clients.start(places);
	await clients.answersMore(100);
	for (const [index, name] of NAMES.entries()) {
		const others = places.filter((_, other) => other !== index);
		await clients.moveTo(others);
		await clients.isKnown(places[index]!, others);
		await kill(nodes[index]!);
		await clients.answersMore(100);
		nodes[index] = await start(index, nodes[index]!.ports);
		// It counts at once, before it has heard what it had counted before.
		await clients.moveTo(places);
		await clients.answersMore(100);
		t.pass(`${name} was killed and is back`);
		// The next one dies when this one knows again what it was: of two that die together nobody may know all.
		await clients.isKnown(places[(index + 1) % 3]!, [places[index]!]);
	}
	await clients.stop();
	for (const [index, place] of places.entries()) t.same(await clients.settled(place), [], NAMES[index]!);
	for (const { stdout, stderr } of nodes) t.notMatch(stdout + stderr, /exception|rejection/);
});

t.test('a partition and its healing under load', { buffered: true }, async (t) => {
	const peers = await freePorts(3);
	/** Each node reaches each other one by a link of its own, from the first index to the second. */
	const links = await Promise.all(NAMES.map(() => Promise.all(NAMES.map((_, target) => Link.open(t, peers[target]!)))));
	const nodes = await Promise.all(
		NAMES.map((name, from) => {
			const addresses = NAMES.map((other, index) => ({
				name: other,
				address: `127.0.0.1:${index === from ? peers[from] : links[from]![index]!.port}`,
			}));
			return startProgram(t, { config: meshConfig(name, '127.0.0.1:${port1}', addresses), ports: 1 });
		}),
	);
	const places: Place[] = nodes.map((node) => ({ host: '127.0.0.1', port: node.port() }));
	const clients = new MeshClients();
	clients.start(places);
	await clients.isKnown(places[0]!, places.slice(1));
	await clients.isKnown(places[2]!, places.slice(0, 2));

	const around = NAMES.flatMap((_, from) =>
		NAMES.flatMap((_, to) => ((from === 2) !== (to === 2) ? [links[from]![to]!] : [])),
	);
	for (const link of around) link.cut();
	// Longer than a session that nothing comes from: both sides have given the other up.
	for (const [index, lost] of [
		['0', 'lb3'],
		['2', 'lb1'],
	] as const) {
		const node = nodes[Number(index)]!;
		const text = (): string => node.stdout + node.stderr;
		await waitFor('the silence to be noticed', () => new RegExp(`peer '${lost}'.*nothing received`).test(text()));
	}
	await clients.answersMore(100);
	const away = await clients.differences(places[2]!);
	t.ok(away.length > 0, 'the node that is cut off counts alone');
	for (const link of around) link.heal();
	await clients.answersMore(50);
	await clients.stop();
	for (const [index, place] of places.entries()) t.same(await clients.settled(place), [], NAMES[index]!);
	for (const { stdout, stderr } of nodes) t.notMatch(stdout + stderr, /exception|rejection/);
});

/** The worker first, or it hears of its master's end and leaves in order; the master then before it starts another. */
async function kill(node: Program): Promise<void> {
	process.kill(Number(/^Pid: (\d+)$/m.exec(await askCli(node, 'show info'))?.[1]), 'SIGKILL');
	await node.stop('SIGKILL');
	await waitFor('its address to be free', async () => !(await accepts(node.port())));
}

function askCli(program: Program, command: string): Promise<string> {
	return new Promise((resolve, reject) => {
		let answer = '';
		const socket = net.connect(join(program.folder, 'cli.sock'), () => socket.write(`${command}\n`));
		socket.on('data', (chunk) => {
			answer += chunk.toString('latin1');
		});
		socket.on('error', reject);
		socket.on('close', () => resolve(answer));
	});
}
