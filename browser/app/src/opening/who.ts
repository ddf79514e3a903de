import { useQuery } from '@tanstack/react-query'
import { useActor, useUsers } from '../console/data'
import { api, ok } from '../lib/api'
import { useMay } from '../lib/me'
import { t } from '../lib/words'

/** The platform's support, for whoever may let them open something. */
export const useSupporters = () =>
  useQuery({ queryKey: ['supporters'], staleTime: 60_000, enabled: !!useMay()('grants:manage'), queryFn: () => ok(api.GET('/v1/grants/supporters')).then((l) => l.items) })

/** Names who opened something: somebody of the account, of the platform, a key, or the program. */
export function useOpener() {
  const name = useActor()
  const users = useUsers().data
  const supporters = useSupporters().data
  return (id: string, platform = false) => supporters?.find((s) => s.id === id)?.name ?? (platform && !users?.some((u) => u.id === id) ? t('grant.staff') : name(id))
}
