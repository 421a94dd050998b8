/** `npm run simulate:sums [-- first [count]]`: summing clusters from ten thousand seeds, or from those asked for. */
import { runSumsSeed } from './aggregate-scenario.js';

const first = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? (process.argv[2] === undefined ? 10_000 : 1));
let failed = 0;
const startedMs = Date.now();
for (let seed = first; seed < first + count; seed++) {
	const { failures, story, kind } = runSumsSeed(seed);
	if (failures.length === 0) {
		if (count === 1) console.log(story.join('\n'));
		continue;
	}
	failed++;
	console.log(`seed ${seed} (${kind}) fails: ${failures.slice(0, 5).join('; ')}`);
	if (count === 1) console.log(story.join('\n'));
}
console.log(`${count} seeds, ${failed} failed, ${Math.round((Date.now() - startedMs) / 1000)} s`);
process.exitCode = failed === 0 ? 0 : 1;
