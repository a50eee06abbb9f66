// Types that several files share, and what the parameter file needs.

@export()
@description('Names and values; every resource gets them.')
type tagsOf = {
  *: string
}

@export()
@description('ARM ids of subnets that are there already: for the app, for private endpoints, and for the serving registry if there is one.')
type subnetsOf = {
  app: string?
  endpoints: string?
  serve: string?
}

@export()
@description('ARM ids of private DNS zones that are there already, by service.')
type zoneIdsOf = {
  blob: string?
  queue: string?
  table: string?
  registry: string?
}

@export()
@description('ARM ids of the DNS zones by service; empty where none is used.')
type zones = {
  blob: string
  queue: string
  table: string
  registry: string
}

@export()
@description('A variable that is set to nothing, as a workflow does with each that nobody set, counts as not set.')
func text(given string, otherwise string) string => empty(given) ? otherwise : given

@description('Beyond what somebody is told; main.bicep says of each what it is.')
@export()
type limitsOf = {
  lagMinutes: int
  quietHours: int
  comparedHours: int
  waitMinutes: int
  backfillMessages: int
  lostPushes: int
  failedRuns: int
  retriedRuns: int
  deliveryFailures: int
}
