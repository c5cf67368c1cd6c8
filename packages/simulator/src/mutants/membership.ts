/** Bugs in membership, acknowledgements and the spreading of writes. */
import type { ClusterMember } from "@hearsay/node";
import type { Machine } from "../cluster/machine.ts";
import type { Mutant } from "./mutant.ts";

const NEVER_MS = 1_000_000_000;

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: "leave_without_handing_over",
    breaks: "who leaves first completes an exchange with a member that stays",
    hooks: () => ({
      opened: ({ member }) => {
        member.leave = async () => {
          await member.membership.leave();
          member.halt();
        };
      },
    }),
  },
  {
    // What has yet to be told, of which every write is a part for a moment, holds a node back as well.
    name: "may_be_stopped_too_early",
    breaks: "a node may be stopped when another that is alive has all that it acknowledged",
    hooks: () => ({
      opened: ({ member }) => {
        Object.defineProperty(member, "lastWrite", { get: () => 0 });
        Object.defineProperty(member.rumors.monger, "isQuiet", { get: () => true });
      },
    }),
  },
  {
    name: "newcomers_record_each_other",
    breaks: "who was not a member yet neither lets others in nor counts for a majority",
    hooks: () => ({
      opened: ({ member }) => Object.defineProperty(member.keeper, "hasBelonged", { get: () => true }),
    }),
  },
  {
    // Nobody says of what it sends with its table that it is that of a cluster.
    name: "two_clusters_become_one",
    breaks: "two clusters of one name, begun apart, take nothing from each other",
    hooks: () => ({
      memberPorts: (ports) => ({
        ...ports,
        transport: {
          request: async (to, message, timeoutMs) => {
            const isOfNone = message.kind === "push-pull" || message.kind === "hello";
            const sent = isOfNone ? { ...message, belongs: false } : message;
            const reply = await ports.transport.request(to, sent, timeoutMs);
            return reply.kind === "state" ? { ...reply, belongs: false } : reply;
          },
        },
      }),
    }),
  },
  {
    // Who does not answer is taken for nobody.
    name: "founded_with_whoever_answers",
    breaks: "who begins a cluster has found all that it was told of",
    hooks: () => ({
      memberPorts: (ports, { address }) => {
        const silent = new Set<string>();
        return {
          ...ports,
          resolveSeed: async (seed) => {
            const found = await ports.resolveSeed(seed);
            return found.map((other) => (silent.has(other) ? address : other));
          },
          transport: {
            request: async (to, message, timeoutMs) => {
              if (message.kind === "hello") silent.add(to.address);
              const reply = await ports.transport.request(to, message, timeoutMs);
              silent.delete(to.address);
              return reply;
            },
          },
        };
      },
    }),
  },
  {
    name: "acknowledged_by_nobody",
    breaks: "an acknowledgement of n is given when n replicas hold the write",
    hooks: () => ({
      opened: ({ member }) => {
        member.acknowledged = (key, _version, needed) => {
          member.spread(key, 0);
          return Promise.resolve(needed);
        };
      },
    }),
  },
  {
    name: "dead_members_never_asked_again",
    breaks: "a healthy, reachable member is not dead for good",
    hooks: () => {
      const members = new Map<Machine, ClusterMember>();
      return {
        memberConfig: (config) => ({
          ...config,
          swim: {
            ...config.swim,
            // Members are given up soon, so that there are some to ask again.
            suspicionMult: 1,
            suspicionMaxTimeoutMult: 1,
            reconnectIntervalMs: NEVER_MS,
            pushPullIntervalMs: NEVER_MS,
          },
        }),
        // Nor are they looked for at what a member was told in `join`.
        memberPorts: (ports, machine) => ({
          ...ports,
          resolveSeed: async (seed) =>
            members.get(machine)?.joiningState.kind === "member" ? [] : await ports.resolveSeed(seed),
        }),
        opened: ({ member }, machine) => void members.set(machine, member),
      };
    },
  },
  {
    name: "no_rumors",
    breaks: "what is written is told to others at once",
    hooks: () => ({
      opened: ({ member }) => {
        member.rumors.spread = () => undefined;
      },
    }),
  },
  {
    name: "no_anti_entropy",
    breaks: "what rumors miss is repaired",
    hooks: () => ({
      memberConfig: (config) => ({ ...config, antiEntropy: { ...config.antiEntropy, intervalMs: NEVER_MS } }),
    }),
  },
  {
    name: "incarnations_share_an_id",
    breaks: "no two incarnations of a directory have one id",
    hooks: () => ({ nodePorts: (ports) => ({ ...ports, random: { next: () => 0.5 } }) }),
  },
];
