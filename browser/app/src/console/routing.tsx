import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import type { Schemas } from '../lib/api'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { useProjects, useUsers } from './data'
import { DaysOff } from './daysoff'
import { Page, Sorry } from './page'
import { type Policy, type Rules, usePolicies } from './policies'
import { policySays, warningSays } from './policywords'

const frame = getRouteApi('/inside/console')

/** By which rules the leads of each project are offered now, and which versions there were. */
export function Routing() {
  const { project } = frame.useSearch()
  const projects = useProjects()
  const policies = usePolicies()
  const shown = projects.data?.filter((p) => (project ? p.id === project : p.active)) ?? []
  return (
    <Page title={t('console.nav.routing')} words={t('console.routing.words')}>
      {policies.isError && !policies.data ? (
        <Sorry error={policies.error} again={() => void policies.refetch()} />
      ) : !policies.data || projects.isPending ? (
        <Rows n={4} tall />
      ) : shown.length === 0 ? (
        <Empty title={t('console.board.noProjects')} words={t('console.board.noProjectsWords')} />
      ) : (
        <div className="space-y-12">
          {shown.map((p) => <Of key={p.id} id={p.id} name={p.name} versions={policies.data.filter((v) => v.project_id === p.id)} only={!!project} />)}
          <DaysOff />
        </div>
      )}
    </Page>
  )
}

function Of({ id, name, versions, only }: { id: string; name: string; versions: Policy[]; only: boolean }) {
  const may = useMay()
  const go = useNavigate()
  const users = useUsers().data
  const now = versions.find((v) => v.published)
  const draft = () => now && void go({ to: '/console/routing/new', search: { from: now.id } })
  useActs(may('routing:manage') && now && only ? [{ id: 'routing.draft', words: t('console.routing.draft'), keys: 'n', group: t('console.nav.routing'), run: () => draft() }] : [])
  return (
    <section>
      <div className="flex flex-wrap items-center justify-between gap-3 border-b border-line pb-3">
        <h2 className="text-lg font-semibold">{name}</h2>
        <span className="flex flex-wrap gap-2">
          <Button icon="people" onClick={() => void go({ to: '/console/routing/team/$project', params: { project: id } })}>{t('console.team.settings')}</Button>
          {may('routing:manage') && now && <Button icon="pen" onClick={draft}>{t('console.routing.draft')}</Button>}
        </span>
      </div>
      {!now ? (
        <p className="py-5 text-soft">{t('console.routing.noPool')}</p>
      ) : (
        <div className="grid grid-cols-1 gap-x-14 gap-y-6 pt-5 lg:grid-cols-[minmax(0,1fr)_340px]">
          <div>
            <p className="mb-3 flex flex-wrap items-center gap-2.5">
              <Link to="/console/routing/$id" params={{ id: now.id }} className="font-medium underline-offset-4 hover:underline">{t('console.routing.version', { n: now.version, name: now.name })}</Link>
              <Badge tone="good">{t('console.routing.published')}</Badge>
            </p>
            <PolicyWords policy={now.policy} />
          </div>
          <ul aria-label={t('console.routing.versions')}>
            {versions.map((v) => (
              <li key={v.id} className="border-b border-line">
                <Link to="/console/routing/$id" params={{ id: v.id }} className="flex min-h-11 items-center gap-3 text-sm hover:bg-hover md:-mx-2 md:px-2">
                  <span className="min-w-0 flex-1 truncate font-medium">{t('console.routing.version', { n: v.version, name: v.name })}</span>
                  {v.published && <Icon name="check" className="size-4 text-good" />}
                  <span className="min-w-0 truncate text-soft">{users?.find((u) => u.id === v.created_by)?.name}</span>
                  <When at={v.created_at} className="text-soft" />
                </Link>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  )
}

/** A policy as one would tell it, and what may not be meant. */
export function PolicyWords({ policy, warnings }: { policy: Rules; warnings?: Schemas['Warning'][] | null }) {
  const users = useUsers().data
  const name = (id: string) => users?.find((u) => u.id === id)?.name ?? '…'
  return (
    <div className="space-y-2">
      {policySays(policy, name).map((w, i) => <p key={i} className="text-base">{w}</p>)}
      {warnings?.map((w, i) => (
        <p key={'w' + i} dir="auto" className="flex items-start gap-2 text-sm text-soft"><Icon name="warn" className="mt-0.5 size-4 text-warm" /><span>{warningSays(w)}</span></p>
      ))}
    </div>
  )
}
