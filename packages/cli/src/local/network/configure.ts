import { Failure, nearestName } from '@lvnet/core';
import { applySettings, parseExperiment, type Experiment } from '@lvnet/experiments';
import { networkNames, parseNetworkConfig, type NetworkConfig } from '@lvnet/networks/description';

/**
 * The configuration of a network by its name and `--set` changes; `network.` in front of a path may be left out.
 *
 * @throws Failure('NETWORK_INVALID' | 'ARGUMENT_INVALID')
 */
export function configureNetwork(name: string, set: readonly string[]): NetworkConfig {
  checkName(name);
  const input: Record<string, unknown> = { network: { name } };
  applySettings(input, set.map(withSection(['network'])));
  return parseNetworkConfig(input['network']);
}

/** As configureNetwork, with the loss: `--set loss.eta=[...]`. */
export function configureTraining(
  name: string,
  set: readonly string[],
): Pick<Experiment, 'network' | 'loss'> {
  checkName(name);
  // A patch that suits every network: the size of a batch is judged when it is there.
  const input = { data: { root: '.', patch: [32, 192, 192] }, network: { name } };
  const { network, loss } = parseExperiment(JSON.stringify(input), {
    file: 'What was --set',
    set: set.map(withSection(['network', 'loss'])),
  });
  return { network, loss };
}

const withSection =
  (sections: readonly string[]) =>
  (change: string): string =>
    sections.includes(change.split(/[.=]/)[0] ?? '') ? change : `network.${change}`;

function checkName(name: string): void {
  if ((networkNames as readonly string[]).includes(name)) return;
  const nearest = nearestName(name, networkNames);
  throw new Failure(
    'NETWORK_INVALID',
    { name, nearest: nearest ?? null },
    {
      message: `There is no network ${name}.`,
      hint: nearest === undefined ? `Networks: ${networkNames.join(', ')}.` : `Did you mean ${nearest}?`,
    },
  );
}
